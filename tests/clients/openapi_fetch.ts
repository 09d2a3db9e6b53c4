// The scenario for the client that `flask api client typescript` writes.

import assert from 'node:assert/strict';

import { createApiClient, type components } from './client/client.js';
import { baseUrl, checkArchive, done, email, given, mailedPin, name, password, text } from './scenario.js';

type Fail = components['schemas']['Fail'];

const anonymous = createApiClient(baseUrl);

const registered = await anonymous.POST('/api/v1/auth/accounts', {
  body: { username: name, email, password },
});
assert.equal(registered.response.status, 202);
done('register');

const pin = await mailedPin();
const verified = await anonymous.PUT('/api/v1/auth/verifications', { body: { email, pin, password } });
assert.equal(given(verified.data, verified.error).data.username, name);
done('verify');

const login = await anonymous.POST('/api/v1/auth/sessions', { body: { user_or_email: email, password } });
const api = createApiClient(baseUrl, given(login.data, login.error).data.token);
done('log in');

const files: components['schemas']['StoredFile'][] = [];
for (const number of [0, 1, 2]) {
  const file = new File([text], `${name}-${number}.txt`);
  const uploaded = await api.POST('/api/v1/files', { body: { file, tags: 'notes' } });
  files.push(given(uploaded.data, uploaded.error).data);
}
assert.deepEqual(files.map((file) => file.size), [text.length, text.length, text.length]);
done('upload');

const found: string[] = [];
for (let cursor: string | undefined, pages = 1; ; pages += 1) {
  const query = { limit: 2, sort: 'name', cursor } as const;
  const page = await api.GET('/api/v1/files', { params: { query } });
  const { items, next } = given(page.data, page.error).data;
  found.push(...items.map((file) => file.id));
  if (next === null) {
    assert.equal(pages, 2);
    break;
  }
  cursor = next;
}
assert.deepEqual(found, files.map((file) => file.id));
done('pages');

const path = { file_id: given(files[0]).id };
const part = await api.GET('/api/v1/files/{file_id}/content', {
  params: { path, header: { Range: 'bytes=0-3' } },
  parseAs: 'text',
});
assert.equal(part.response.status, 206);
assert.equal(part.data, text.slice(0, 4));
done('range');

const tagged = await api.PATCH('/api/v1/files/{file_id}', { params: { path }, body: { tags: ['a'] } });
const header = { 'If-Match': given(tagged.response.headers.get('ETag')) };
const renamed = await api.PATCH('/api/v1/files/{file_id}', {
  params: { path, header },
  body: { name: 'renamed.txt' },
});
assert.equal(given(renamed.data, renamed.error).data.name, 'renamed.txt');
done('change');

const outdated = await api.PATCH('/api/v1/files/{file_id}', {
  params: { path, header },
  body: { name: 'again.txt' },
});
assert.equal(outdated.response.status, 412);
assert.equal(given(outdated.error).status, 'fail');
done('conflict');

const archive = await api.POST('/api/v1/files/archives', {
  body: { ids: files.map((file) => file.id) },
  parseAs: 'arrayBuffer',
});
checkArchive(given(archive.data, archive.error), ['renamed.txt', given(files[1]).name]);
done('archive');

const linked = await api.POST('/api/v1/files/{file_id}/links', {
  params: { path },
  body: { max_downloads: 1, password: 'Menabrea' },
});
const shared = await anonymous.GET('/api/v1/files/shared/{token}/content', {
  params: {
    path: { token: given(linked.data, linked.error).data.token },
    header: { 'X-Link-Password': 'Menabrea' },
  },
  parseAs: 'text',
});
assert.equal(shared.data, text);
done('share');

const refused = await anonymous.POST('/api/v1/auth/sessions', {
  body: { user_or_email: email, password: 'wrong password' },
});
assert.equal(refused.response.status, 401);
const error = given(refused.error);
// The status tells the types of errors apart.
if (error.status !== 'fail') throw new Error(JSON.stringify(error));
const { data }: Fail = error;
assert.ok(Array.isArray(data['credentials']));
done('failure');
process.exit();
