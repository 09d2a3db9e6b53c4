// Opens a page in Chromium and uploads a file: ENDPOINT TOKEN FILE PAGE CHROMIUM. Prints the file id
// as JSON. Runs in the folder with the packages.

import { createRequire } from 'node:module';

const { chromium } = createRequire(`${process.cwd()}/`)('playwright-core');
const [endpoint, token, file, address, executablePath] = process.argv.slice(2);

const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
try {
  const page = await browser.newPage();
  page.on('pageerror', (error) => console.error(String(error)));
  await page.goto(address);
  await page.setInputFiles('input', file);
  const done = await page.evaluate((options) => upload(options), { endpoint, token });
  console.log(JSON.stringify({ file: done }));
} finally {
  await browser.close();
}
