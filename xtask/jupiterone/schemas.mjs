// Writes what the tests of core/jupiterone know of JupiterOne's data model: the published schemas of the
// classes that we use, and the verdicts of the published package on edge cases.
//
//   npm install --prefix FOLDER @jupiterone/data-model@0.64.2
//   node xtask/jupiterone/schemas.mjs FOLDER
//
// Another version is refused: the rules in core/jupiterone/src/class_rules.rs are from this one.

import { createRequire } from 'node:module';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const VERSION = '0.64.2';
const CLASSES = ['Account', 'Alert', 'Application', 'Device', 'Finding', 'User'];
const NEEDED = [...CLASSES, 'Entity', 'GraphObject', 'RecordEntity'];

const folder = resolve(process.argv[2] ?? '.');
const require = createRequire(join(folder, 'package.json'));
const model = require('@jupiterone/data-model');
const about = JSON.parse(
  readFileSync(join(folder, 'node_modules/@jupiterone/data-model/package.json'), 'utf8'),
);
if (about.version !== VERSION) {
  throw new Error(`version ${about.version} of ${about.name} is installed, ${VERSION} is expected`);
}
const data = join(dirname(fileURLToPath(import.meta.url)), '../../core/jupiterone/tests/data');
const source = { package: about.name, version: about.version, licence: about.license };

// The words for people are left out: they say nothing about a value.
const WORDS = new Set(['description', 'examples', 'default', 'deprecated', '$schema']);
function bare(schema, isMap = false) {
  if (Array.isArray(schema)) return schema.map((it) => bare(it));
  if (schema === null || typeof schema !== 'object') return schema;
  const kept = Object.entries(schema).filter(([name]) => isMap || !WORDS.has(name));
  const isMapName = (name) => !isMap && (name === 'properties' || name === 'patternProperties');
  return Object.fromEntries(kept.map(([name, it]) => [name, bare(it, isMapName(name))]));
}

const schemas = Object.fromEntries(NEEDED.map((it) => [it, bare(model.entitySchemas[it])]));
write('schemas.json', { source, schemas });

const common = { _key: 'nexthink_thing:1', _type: 'nexthink_thing', name: 'n', displayName: 'd' };
const nothing = (names) => Object.fromEntries(names.map((it) => [it, null]));
const bases = {
  Account: { ...common, vendor: 'Nexthink' },
  Alert: { ...common },
  Application: { ...common },
  Device: {
    ...common,
    ...nothing([
      'category', 'make', 'model', 'serial', 'deviceId', 'hostname', 'fqdn', 'ipv4Addresses',
      'ipv6Addresses', 'privateIpAddresses', 'publicIpAddresses', 'macAddresses', 'lastSeenOn',
      'osName', 'osType', 'osDetails', 'osVersion',
    ]),
  },
  Finding: { ...common, category: 'endpoint', severity: null, numericSeverity: null, open: true },
  User: { ...common, ...nothing(['firstName', 'lastName', 'email', 'shortLoginId', 'username']) },
};
const ABSENT = '(absent)';
const long = (n) => 'a'.repeat(n);
const changes = {
  Account: {
    _key: ['short', 'ten-chars-', ABSENT, null, 7],
    _type: ['ab', 'abc', ABSENT],
    name: [null, '', ABSENT],
    displayName: [null, ABSENT],
    vendor: [null, 7, ABSENT],
    webLink: ['https://acme.us.nexthink.cloud', 'acme', null],
    accessURL: ['http://a.example/b?c=d', 'a b'],
    mfaEnabled: [true, null, 'true'],
    id: ['1', ['1', '2'], 1, null],
    createdOn: [1760000000000, '2026-03-01T00:00:00Z', null],
    description: [null, 'text'],
    classification: [null, 'secret'],
    criticality: [1, 10, 0, 11, 1.5],
    complianceStatus: [0, 1, 2, -1],
    tags: [['a', 'a'], [], 'a', [1]],
    Foo_Bar: ['x'],
    'tag.Foo_Bar': ['x'],
    'tag.FooBar': ['x', true],
    'foo bar.baz-qux': ['x', null],
    'foo:bar': ['x'],
    nested: [{ a: 1 }],
  },
  Device: {
    category: ['endpoint', 'anything', 7, ABSENT],
    hostname: ['LON-LT-0042', 'ab', 'a', 'a_b', 'a.b', '-ab', 'ab-', 'bü', long(63), long(64), ABSENT],
    fqdn: [['pc.corp.example'], ['pc'], ['a_b.example'], ['pc.corp.example', 'pc.corp.example'], 'pc.corp.example', []],
    macAddresses: [['00:1a:2b:3c:4d:5e'], ['00:1A:2B:3C:4D:5E'], ['00-1a-2b-3c-4d-5e'], []],
    ipv4Addresses: [['10.0.0.1'], ['10.0.0.256'], ['::1'], ['10.0.0.1', '10.0.0.1']],
    ipv6Addresses: [['2001:db8::1'], ['fe80::1%eth0'], ['10.0.0.1']],
    privateIpAddresses: [['10.0.0.1', '::1'], ['nowhere']],
    publicIpAddresses: [['8.8.8.8'], [1]],
    deviceId: [['a'], 'a', [null]],
    lastSeenOn: [0, 253402300799999, 253402300800000, -1, 1.5, '2026', ABSENT],
    osType: ['windows', 'darwin', 'Windows', 'macos', 'other'],
    status: ['deployed', null],
    public: [true, null],
    hardwareSerial: ['x', null],
    hardwareVendor: [null],
    encrypted: [true, null, 'yes'],
    cost: [7, 7.5, '7'],
    userEmails: [['jane@corp.example'], ['jane@localhost'], null],
  },
  User: {
    email: [['jane.doe@corp.example'], ['jdoe@localhost'], 'jane@corp.example', ["o'hara+x@a.example"], ['a b@c.example'], ABSENT],
    emailDomain: [['corp.example'], null, ABSENT],
    username: [['ACME\\jdoe'], 'jdoe', []],
    userIds: [['1'], null],
    firstName: ['Jane', 7],
    isAdmin: [true, null],
    employeeId: ['7', null],
    passwordChangedOn: [1, '1'],
    lastSeenOn: [1, null],
  },
  Application: {
    license: ['MIT', null],
    licenseURL: ['https://a.example', 'MIT'],
    version: ['1.0', null],
    external: [false, null],
    alternateURLs: [['https://a.example'], 'https://a.example'],
  },
  Alert: {
    open: [true, null, 'open'],
    category: ['endpoint', null],
    status: ['open', null, 7],
    public: [null, true],
    reportedOn: [1, null],
    approvers: [['a'], null],
    classification: [null, 'x'],
  },
  Finding: {
    open: [false, null, ABSENT],
    category: ['endpoint', null, ['endpoint'], ABSENT],
    severity: ['high', 7, ABSENT],
    numericSeverity: [10, '10', 7.5, ABSENT],
    priority: ['high', 1, null],
    score: [1, null],
    status: ['open', null, 7],
    public: [null, false],
    remediationSLA: [1, 1.5, null],
    targets: [['a'], null, 'a'],
  },
};

const cases = [];
for (const _class of CLASSES) {
  judge([_class], bases[_class]);
  for (const [property, values] of Object.entries(changes[_class])) {
    for (const value of values) {
      const entity = { ...bases[_class], [property]: value };
      if (value === ABSENT) delete entity[property];
      judge([_class], entity);
    }
  }
}
const both = { ...bases.Alert, ...bases.Finding };
for (const change of [{}, { open: null }, { category: null }, { priority: null }]) {
  judge(['Alert', 'Finding'], { ...both, ...change });
}
write('verdicts.json', { source, cases });

function judge(classes, entity) {
  const complete = { ...entity, _class: classes };
  const isValid = classes.every((it) => {
    const validate = model.IntegrationSchema.getSchema(`#${it}`);
    return validate(complete);
  });
  cases.push({ valid: isValid, entity: complete });
}

function write(name, content) {
  const lines = JSON.stringify(content, null, 1).replace(/\n\s{3,}/g, ' ');
  writeFileSync(join(data, name), `${lines}\n`);
}
