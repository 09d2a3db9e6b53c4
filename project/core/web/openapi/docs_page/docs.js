// Shows the document, or first a form for a token if the service requires one. The token is only
// kept in the memory of this page; nothing is stored in the browser.
const form = document.getElementById('unlock');

async function open(token) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch('openapi.json', { headers });
  if (!answer.ok) return false;
  form.hidden = true;
  const ui = SwaggerUIBundle({
    spec: await answer.json(),
    dom_id: '#docs',
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    docExpansion: 'list',
    tryItOutEnabled: true,
  });
  if (token) ui.preauthorizeApiKey('bearer', token);
  return true;
}

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const opened = await open(document.getElementById('token').value.trim());
  document.getElementById('refused').textContent = opened ? '' : 'This token is not valid.';
});

open().then((opened) => { form.hidden = opened; });
