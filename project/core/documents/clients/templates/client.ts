// A client of the API. Paths, parameters, bodies and responses are checked by `tsc`.

import createClient, { type Client } from 'openapi-fetch';

import type { paths } from './schema.js';

export type { components, operations, paths } from './schema.js';

/**
 * Create a client. `data` of a result is the body of a success, `error` that of a failure.
 *
 * @param baseUrl The URL of the service without a path, such as `https://api.example.com`.
 * @param token The token of a session, or an API key. Without it, only public routes succeed.
 */
export function createApiClient(baseUrl: string, token?: string): Client<paths> {
  const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  return createClient<paths>({ baseUrl, headers, bodySerializer: serialize });
}

/** Return a body as JSON, or as a form if one of its fields is a Blob, such as a File. */
function serialize(body: unknown): BodyInit {
  if (typeof body !== 'object' || body === null || !Object.values(body).some(isBlob)) {
    return JSON.stringify(body);
  }
  const form = new FormData();
  for (const [name, value] of Object.entries(body)) {
    if (value !== undefined) form.append(name, isBlob(value) ? value : String(value));
  }
  return form;
}

function isBlob(value: unknown): value is Blob {
  return value instanceof Blob;
}
