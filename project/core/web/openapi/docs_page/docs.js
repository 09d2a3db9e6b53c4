// Shows the document, or asks for a token first where the service wants one. The token stays in
// this page's memory: nothing is stored in the browser.
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
  document.getElementById('refused').textContent = opened ? '' : 'This token was refused.';
});

open().then((opened) => { form.hidden = opened; });
