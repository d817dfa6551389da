// A graph as a file: SVG, or PNG.

/** What makes the looks of a part of the picture, which a file has no style sheet for. */
const LOOKS = ["fill", "stroke", "stroke-width", "stroke-dasharray", "font-size", "font-family", "font-weight", "text-anchor"];

/** The picture by itself. @param {SVGSVGElement} svg */
function standAlone(svg) {
  const copy = /** @type {SVGSVGElement} */ (svg.cloneNode(true));
  const originals = [svg, ...svg.querySelectorAll("*")];
  const copies = [copy, ...copy.querySelectorAll("*")];
  copies.forEach((element, index) => {
    const looks = getComputedStyle(originals[index]);
    for (const name of LOOKS) element.setAttribute(name, looks.getPropertyValue(name));
    for (const name of ["class", "tabindex", "role", "aria-pressed"]) element.removeAttribute(name);
  });
  const back = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  back.setAttribute("width", "100%");
  back.setAttribute("height", "100%");
  // A file knows no light-dark(), which only a computed colour has resolved.
  back.setAttribute("fill", getComputedStyle(svg.closest(".graph-frame") ?? svg).backgroundColor);
  copy.prepend(back);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return new XMLSerializer().serializeToString(copy);
}

/** @param {Blob} blob @param {string} name */
function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** Saves the picture as SVG. @param {SVGSVGElement} svg */
export const saveSvg = (svg) => save(new Blob([standAlone(svg)], { type: "image/svg+xml" }), "graph.svg");

/** Saves the picture as PNG, twice as large as it is on the page. @param {SVGSVGElement} svg */
export async function savePng(svg) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(standAlone(svg))}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = svg.width.baseVal.value * 2;
  canvas.height = svg.height.baseVal.value * 2;
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  canvas.toBlob((blob) => blob && save(blob, "graph.png"));
}
