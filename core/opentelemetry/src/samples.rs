//! Samples of Prometheus' text format, as this program writes it.

/// A value of a figure.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    /// The name of the figure; its end is its unit.
    pub(crate) name: String,
    /// Names and values of its labels.
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) value: f64,
}

/// The samples of a text. Lines that are none are left out.
pub(crate) fn samples(text: &str) -> Vec<Sample> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect()
}

fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"")?;
            let (value, after) = quoted(after)?;
            labels.push((label.to_owned(), value));
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        rest = &rest[1..];
    }
    let value = rest.trim().parse().ok()?;
    Some(Sample { name: name.to_owned(), labels, value })
}

/// The value of a label, and what follows its closing quote.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut signs = text.char_indices();
    while let Some((at, sign)) = signs.next() {
        match sign {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match signs.next()?.1 {
                'n' => value.push('\n'),
                escaped => value.push(escaped),
            },
            sign => value.push(sign),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_have_names_labels_and_values() {
        let text = "# HELP a_total Something\n# TYPE a_total counter\na_total 3\n\
                    b_seconds{tenant=\"acme\",type=\"x, \\\"y\\\" \\\\ z=\\n}\"} 1.5\nno sample\nbroken{a=\"b\n";
        let expected = [
            Sample { name: "a_total".to_owned(), labels: Vec::new(), value: 3.0 },
            Sample {
                name: "b_seconds".to_owned(),
                labels: vec![
                    ("tenant".to_owned(), "acme".to_owned()),
                    ("type".to_owned(), "x, \"y\" \\ z=\n}".to_owned()),
                ],
                value: 1.5,
            },
        ];
        assert_eq!(samples(text), expected);
    }
}
