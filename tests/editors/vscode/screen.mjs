// What a user sees: opens a wrong recipe, mends it with the quick fix, completes, sees sizes, plans and runs.
// Screenshots go to the directory `screenshots` beside the workspace.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { start, workspace } from './server.mjs';

const shots = join(workspace, '..', 'screenshots');
mkdirSync(shots, { recursive: true });
const code = await start();
const { page } = code;
page.setDefaultTimeout(30_000);

const shot = name => page.screenshot({ path: join(shots, `${name}.png`) });
const step = name => console.log(`ok    ${name}`);
/** The lines of an editor, with ordinary blanks. */
const lines = async (editor = '.editor-instance') => {
  const all = await page.locator(`${editor} .view-line`).allTextContents();
  return all.map(line => line.replaceAll('\u00a0', ' '));
};
async function until(what, check) {
  for (const end = Date.now() + 30_000; Date.now() < end; await page.waitForTimeout(50)) {
    if (await check()) return;
  }
  throw new Error(`waited for ${what}: ${JSON.stringify(await lines())}`);
}
async function command(title) {
  await page.keyboard.press('F1');
  await page.locator('.quick-input-widget input').fill(`>${title}`);
  await page.locator('.quick-input-list .monaco-list-row').filter({ hasText: title }).first().click();
}
async function goTo(line, column) {
  await page.keyboard.press('Control+g');
  await page.locator('.quick-input-widget input').fill(`:${line},${column}`);
  await page.keyboard.press('Enter');
  await page.locator('.quick-input-widget').waitFor({ state: 'hidden' });
}

try {
  await page.goto(`http://${code.address}/?folder=${encodeURIComponent(workspace)}`);
  await page.locator('.explorer-folders-view').waitFor();
  await page.locator('.explorer-folders-view .monaco-list-row').filter({ hasText: 'recipe.bitmill' }).dblclick();
  await page.locator('.squiggly-error').first().waitFor();
  await page.locator('.statusbar-item', { hasText: 'digits.safetensors' }).waitFor();
  await shot('finding');
  step('a wrong recipe has a squiggle, and the status bar its model');

  await goTo(7, 18);
  await page.keyboard.press('Control+.');
  const fix = page.locator('.action-widget .monaco-list-row').filter({ hasText: 'per-group(32)' }).first();
  await fix.waitFor();
  await shot('fixes');
  const focused = page.locator('.action-widget .monaco-list-row.focused').filter({ hasText: 'per-group(32)' });
  await until('the fix in focus', async () => (await focused.count()) > 0 || page.keyboard.press('ArrowDown'));
  await page.keyboard.press('Enter');
  await until('the fix', async () => (await lines()).some(line => line.includes('per-group(32)')));
  await page.locator('.squiggly-error').first().waitFor({ state: 'detached' });
  step('the quick fix mends it');

  await until('sizes', async () => (await lines()).some(line => /=> w8.*\d+ weights?/.test(line)));
  await shot('sizes');
  step('rules show what they decide');

  await goTo(8, 15);
  await page.keyboard.press('Enter');
  await page.keyboard.type('"st');
  await page.keyboard.press('Control+Space');
  await page.locator('.suggest-widget.visible .monaco-list-row').first().waitFor();
  await shot('completion');
  step('completions are offered');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+Shift+k');
  await until('the line to go', async () => !(await lines()).some(line => line.startsWith('"st')));

  await page.locator('.view-line').filter({ hasText: /^conv/ }).locator('span', { hasText: 'conv' }).last().hover();
  const popup = page.locator('.monaco-hover').filter({ hasText: /weight/ }).first();
  await popup.waitFor();
  // It fades in.
  await until('the popup', () => popup.evaluate(element => element.getAnimations({ subtree: true }).every(one => one.playState === 'finished')));
  await shot('hover');
  step('hovering tells what a selector matches');

  await page.keyboard.press('Control+s');
  await command('bitmill: Show Plan');
  await page.locator('.tab').filter({ hasText: 'recipe.bitmill.plan' }).waitFor();
  await until('the plan', async () => (await page.locator('.view-lines').allTextContents()).some(text => /per-channel/.test(text)));
  await shot('plan');
  step('the plan opens beside the recipe');

  await page.locator('.tab').filter({ hasText: /^recipe.bitmill$/ }).first().click();
  await command('bitmill: Explain a Code or Word');
  await page.locator('.quick-input-widget input').fill('affine-block-divides');
  await page.keyboard.press('Enter');
  const shown = frame => frame.locator('h1').filter({ hasText: 'affine-block-divides' }).count().catch(() => 0);
  await until('the page', async () => (await Promise.all(page.frames().map(shown))).some(count => count > 0));
  await shot('page');
  step('a code has a page');

  await page.locator('.tab').filter({ hasText: /^recipe.bitmill$/ }).first().click();
  const output = join(workspace, 'out.safetensors');
  await command('bitmill: Run Recipe');
  await until('the output', () => existsSync(output));
  await page.locator('.notification-toast, .notifications-center').first().waitFor();
  await shot('run');
  step('the recipe runs');
  assert.match(readFileSync(join(workspace, 'recipe.bitmill'), 'utf8'), /per-group\(32\)/);
} catch (error) {
  await shot('failed').catch(() => undefined);
  console.log(`FAIL  ${error.stack}`);
  process.exitCode = 1;
} finally {
  await code.stop();
}
