// Bundles the extension into dist/, with the TextMate grammar, of which there is one source in the repository.
import { build } from 'esbuild';
import { copyFileSync, mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const production = process.argv.includes('--production');
const here = path => fileURLToPath(new URL(`../${path}`, import.meta.url));

mkdirSync(here('dist'), { recursive: true });
copyFileSync(here('../../grammar/bitmill.tmLanguage.json'), here('dist/bitmill.tmLanguage.json'));
await build({
  entryPoints: [here('src/extension.ts')],
  outfile: here('dist/extension.js'),
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  external: ['vscode'],
  minify: production,
  sourcemap: !production,
  logLevel: 'warning',
});
