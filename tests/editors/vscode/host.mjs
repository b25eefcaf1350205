// Runs the tests in host/ inside the extension host, with the real API of Visual Studio Code.
import { fileURLToPath } from 'node:url';
import { start, workspace } from './server.mjs';

const code = await start();
let status = 1;
try {
  const remote = path => `vscode-remote://${code.address}${path}`;
  const payload = [
    ['extensionDevelopmentPath', remote(code.extension)],
    ['extensionTestsPath', remote(fileURLToPath(new URL('host/index.js', import.meta.url)))],
  ];
  const finished = new Promise((resolve, reject) => {
    void code.page.exposeFunction('codeAutomationLog', (type, args) => console.log(...args));
    void code.page.exposeFunction('codeAutomationExit', resolve);
    setTimeout(() => reject(new Error('the tests did not end in 120 s')), 120_000).unref();
  });
  const query = new URLSearchParams({ folder: workspace, payload: JSON.stringify(payload) });
  await code.page.goto(`http://${code.address}/?${query}`);
  status = await finished;
} finally {
  await code.stop();
}
process.exit(status);
