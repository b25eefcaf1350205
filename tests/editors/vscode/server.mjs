// Starts code-server with the extension installed, and Chromium looking at it.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const [, , installed, vsix, workspace, bitmill] = process.argv;
export { workspace };

const SETTINGS = {
  'bitmill.path': bitmill,
  'security.workspace.trust.enabled': false,
  'workbench.startupEditor': 'none',
  'workbench.colorTheme': 'Default Dark+',
  'workbench.tips.enabled': false,
  'git.enabled': false,
  'telemetry.telemetryLevel': 'off',
  'editor.minimap.enabled': false,
  'editor.hover.delay': 100,
  'editor.formatOnSave': false,
  'chat.commandCenter.enabled': false,
  'window.commandCenter': false,
  'extensions.ignoreRecommendations': true,
};

async function freePort() {
  const server = createServer();
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise(resolve => server.close(resolve));
  return port;
}

async function until(what, check, seconds = 60) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; ) {
    if (await check()) return;
    await new Promise(resolve => setTimeout(resolve, 100));
  }
  throw new Error(`waited ${seconds} s for ${what}`);
}

/** A fresh Visual Studio Code with the extension, and a page of Chromium. */
export async function start() {
  const directory = mkdtempSync(join(tmpdir(), 'bitmill-vscode-'));
  const [user, extensions] = [join(directory, 'user'), join(directory, 'extensions')];
  mkdirSync(join(user, 'User'), { recursive: true });
  writeFileSync(join(user, 'User', 'settings.json'), JSON.stringify(SETTINGS));
  const env = { ...process.env, XDG_CONFIG_HOME: join(directory, 'config') };
  delete env.PORT;
  delete env.VSCODE_IPC_HOOK_CLI;
  const entry = join(installed, 'node_modules/code-server/out/node/entry.js');
  const options = ['--config', '/dev/null', '--user-data-dir', user, '--extensions-dir', extensions];
  execFileSync(process.execPath, [entry, ...options, '--install-extension', vsix], { env, stdio: 'pipe' });
  const port = await freePort();
  const address = `127.0.0.1:${port}`;
  const quiet = ['--auth', 'none', '--disable-telemetry', '--disable-update-check', '--disable-workspace-trust'];
  const server = spawn(process.execPath, [entry, ...options, ...quiet, '--bind-addr', address], { env, stdio: 'pipe' });
  let log = '';
  server.stdout.on('data', data => (log += data));
  server.stderr.on('data', data => (log += data));
  const { chromium } = createRequire(join(installed, 'package.json'))('playwright-core');
  let browser;
  const stop = async () => {
    await browser?.close();
    server.kill();
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await until('code-server', async () => (await fetch(`http://${address}/healthz`).catch(() => undefined))?.ok);
    browser = await chromium.launch({
      executablePath: process.env.CHROMIUM,
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
    });
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    const name = readdirSync(extensions).find(entry => entry.startsWith('bitmill.bitmill-'));
    return { address, page, stop, extension: join(extensions, name), log: () => log };
  } catch (error) {
    await stop();
    throw new Error(`${error.message}\n${log}`);
  }
}
