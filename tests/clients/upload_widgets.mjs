// Uploads with Uppy and tus-js-client, each with its defaults: upload a file, delete it, and upload it
// again. The fragment of the URL contains `api` and `token`; the results are written to #said.

import Uppy from '@uppy/core';
import UppyTus from '@uppy/tus';
import XHRUpload from '@uppy/xhr-upload';
import { Upload } from 'tus-js-client';

const parameters = new URLSearchParams(location.hash.slice(1));
const api = `${parameters.get('api')}/api/v1`;
const headers = { Authorization: `Bearer ${parameters.get('token')}` };
const endpoint = `${api}/files/uploads`;

/** Upload with an Uppy plugin; return the id of the file. */
async function withUppy(plugin, options, file, idOf) {
  const uppy = new Uppy({ logger: { debug() {}, warn() {}, error() {} } });
  uppy.use(plugin, { headers, ...options });
  uppy.addFile({ name: file.name, type: file.type, data: file });
  const { successful, failed } = await uppy.upload();
  if (failed.length > 0) throw new Error(String(failed[0].error));
  return idOf(successful[0].response);
}

/** Return the id of the file of a finished tus upload: Uppy has discarded the last response. */
async function fileOfUpload({ uploadURL }) {
  const finished = await fetch(uploadURL, {
    method: 'HEAD',
    headers: { ...headers, 'Tus-Resumable': '1.0.0' },
  });
  return finished.headers.get('X-File-Id');
}

const withTus = (file, options = {}) =>
  new Promise((resolve, reject) => {
    const upload = new Upload(file, {
      endpoint,
      headers,
      metadata: { filename: file.name, filetype: file.type },
      onError: reject,
      onSuccess: ({ lastResponse }) => resolve(lastResponse.getHeader('X-File-Id')),
      ...options,
    });
    // As in the documentation of tus-js-client.
    upload.findPreviousUploads().then((previous) => {
      if (previous.length > 0) upload.resumeFromPreviousUpload(previous[0]);
      upload.start();
    });
  });

const clients = {
  'Uppy XHRUpload': (file) =>
    withUppy(XHRUpload, { endpoint: `${api}/files` }, file, ({ body }) => body.data.id),
  'Uppy Tus': (file) => withUppy(UppyTus, { endpoint }, file, fileOfUpload),
  'tus-js-client': (file) => withTus(file),
};

/** Upload, delete and upload again; return what the service has of the second upload. */
async function uploadTwice(upload, name) {
  const file = new File([`The content of ${name}`], `${name}.txt`, { type: 'text/plain' });
  const first = await upload(file);
  const deleted = await fetch(`${api}/files/${first}`, { method: 'DELETE', headers });
  const second = await upload(file);
  const stored = await fetch(`${api}/files/${second}/content`, { headers });
  return {
    deleted: deleted.status,
    isNewFile: first !== second,
    content: stored.ok ? await stored.text() : stored.status,
  };
}

/** Upload one file as three parallel uploads; return the response that rejects them. */
async function inThreeParts() {
  const file = new File(['x'.repeat(3000)], 'parts.bin');
  try {
    return { file: await withTus(file, { parallelUploads: 3 }) };
  } catch (error) {
    const response = error.originalResponse;
    return { status: response.getStatus(), body: JSON.parse(response.getBody()) };
  }
}

async function main() {
  const said = {};
  for (const [name, upload] of Object.entries(clients)) {
    said[name] = await uploadTwice(upload, name).catch((error) => String(error));
    document.querySelector('#said').textContent = JSON.stringify(said);
  }
  said.parts = await inThreeParts().catch((error) => String(error));
  document.querySelector('#said').textContent = JSON.stringify(said);
}

main();
