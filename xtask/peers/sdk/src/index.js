// Devices, packages and their edges by the JupiterOne SDK: plain CSV files to JSON files, `collect`ed.
//
// Does: three steps in the order of their dependencies, as an integration has them: an account, devices
// with an edge each, packages with an edge for each row whose device is known; the SDK looks for
// duplicates and writes JSON. Rows are streamed. Raw data is not kept; schemas are not checked.
// Does not: HTTP, decompression, most conversions, the upload to JupiterOne.

const { createReadStream } = require('fs');
const { join } = require('path');
const { parse } = require('csv-parse');
const {
  createDirectRelationship,
  createIntegrationEntity,
  RelationshipClass,
} = require('@jupiterone/integration-sdk-core');

const ACCOUNT_KEY = 'nexthink_account:acme';
const deviceKey = (uid) => `nexthink_device:${uid}`;
const packageKey = (uid) => `nexthink_package:${uid}`;

function rows(name) {
  const file = createReadStream(join(process.env.EXPORTS, `${name}.csv`));
  return file.pipe(parse({ columns: true }));
}

function entity(_key, _type, _class, properties) {
  const assign = { _key, _type, _class, ...properties };
  return createIntegrationEntity({ entityData: { source: {}, assign } });
}

function edge(_class, fromType, fromKey, toType, toKey) {
  return createDirectRelationship({ _class, fromType, fromKey, toType, toKey });
}

async function fetchAccount({ jobState }) {
  await jobState.addEntity(entity(ACCOUNT_KEY, 'nexthink_account', 'Account', { name: 'acme' }));
}

async function fetchDevices({ jobState }) {
  for await (const row of rows('devices')) {
    const uid = row['device.uid'];
    const key = deviceKey(uid);
    if (jobState.hasKey(key)) continue;
    const name = row['device.name'] || uid;
    await jobState.addEntity(
      entity(key, 'nexthink_device', 'Device', {
        id: uid,
        name,
        displayName: name,
        collectorUid: row['device.collector.uid'],
        osName: row['device.operating_system.name'],
        osVersion: row['device.operating_system.build'],
        make: row['device.hardware.manufacturer'],
        model: row['device.hardware.model'],
        serial: row['device.hardware.chassis_serial_number'],
        category: row['device.hardware.type'],
        licenseType: row['device.license_type'],
        lastSeenOn: Date.parse(row['device.last_seen']) || undefined,
        createdOn: Date.parse(row['device.first_seen']) || undefined,
        entity: row['device.entity'],
        sid: row['device.sid'],
      }),
    );
    await jobState.addRelationship(
      edge(RelationshipClass.HAS, 'nexthink_account', ACCOUNT_KEY, 'nexthink_device', key),
    );
  }
}

async function fetchPackages({ jobState }) {
  for await (const row of rows('packages')) {
    const from = deviceKey(row['device.uid']);
    const to = packageKey(row['package.uid']);
    if (!jobState.hasKey(to)) {
      const [name, version] = [row['package.name'], row['package.version']];
      await jobState.addEntity(
        entity(to, 'nexthink_package', 'Application', {
          id: row['package.uid'],
          name,
          version,
          displayName: `${name} ${version}`,
          publisher: row['package.publisher'],
          packageType: row['package.type'].toLowerCase(),
          platform: row['package.platform'].toLowerCase(),
        }),
      );
    }
    if (!jobState.hasKey(from)) continue;
    const installed = edge(RelationshipClass.INSTALLED, 'nexthink_device', from, 'nexthink_package', to);
    if (jobState.hasKey(installed._key)) continue;
    await jobState.addRelationship(installed);
  }
}

const type = (resourceName, _type, _class) => ({ resourceName, _type, _class });
const drawn = (_type, sourceType, _class, targetType) => ({ _type, sourceType, _class, targetType });
const step = (id, name, dependsOn, executionHandler, entity, relationships) => ({
  id,
  name,
  entities: [entity],
  relationships,
  dependsOn,
  executionHandler,
});

exports.invocationConfig = {
  instanceConfigFields: {},
  validateInvocation: async () => {},
  integrationSteps: [
    step('fetch-account', 'Fetch Account', [], fetchAccount, type('Account', 'nexthink_account', 'Account'), []),
    step(
      'fetch-devices',
      'Fetch Devices',
      ['fetch-account'],
      fetchDevices,
      type('Device', 'nexthink_device', 'Device'),
      [drawn('nexthink_account_has_device', 'nexthink_account', 'HAS', 'nexthink_device')],
    ),
    step(
      'fetch-packages',
      'Fetch Packages',
      ['fetch-devices'],
      fetchPackages,
      type('Package', 'nexthink_package', 'Application'),
      [drawn('nexthink_device_installed_package', 'nexthink_device', 'INSTALLED', 'nexthink_package')],
    ),
  ],
};
