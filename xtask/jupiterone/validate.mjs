// Asks the published package @jupiterone/data-model for its verdict on every entity of an exported folder,
// and on the edge cases whose verdicts are kept. Prints counts as JSON.
//
//   npm install --prefix xtask/jupiterone --no-save @jupiterone/data-model@0.64.2
//   nexthink-graph export jupiterone collected
//   node xtask/jupiterone/validate.mjs xtask/jupiterone collected
//
// The end-to-end tests run it wherever the package is installed at that place; elsewhere they rely on the
// kept verdicts, which schemas.mjs writes anew.

import { createRequire } from 'node:module';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const [folder, collected] = process.argv.slice(2).map((it) => resolve(it));
const require = createRequire(join(folder, 'package.json'));
const model = require('@jupiterone/data-model');
const data = join(dirname(fileURLToPath(import.meta.url)), '../../core/jupiterone/tests/data');

function isValid(entity) {
  return [entity._class].flat().every((it) => model.IntegrationSchema.getSchema(`#${it}`)(entity));
}

function files(path) {
  return readdirSync(path, { withFileTypes: true }).flatMap((it) =>
    it.isDirectory() ? files(join(path, it.name)) : [join(path, it.name)],
  );
}

const counts = { entities: 0, invalid: 0, cases: 0, disagreements: 0 };
for (const file of files(join(collected, '.j1-integration/graph'))) {
  for (const entity of JSON.parse(readFileSync(file, 'utf8')).entities ?? []) {
    counts.entities += 1;
    counts.invalid += isValid(entity) ? 0 : 1;
  }
}
for (const { valid, entity } of JSON.parse(readFileSync(join(data, 'verdicts.json'), 'utf8')).cases) {
  counts.cases += 1;
  counts.disagreements += isValid(entity) === valid ? 0 : 1;
}
console.log(JSON.stringify(counts));
