// The tests that need no screen. Each opens the recipe afresh.
const assert = require('node:assert/strict');
const vscode = require('vscode');

const WRONG = 'per-group(48)';
const SECONDS = 20;

/** Asks until the answer fits. */
async function until(what, ask, fits = Boolean) {
  let answer;
  for (const end = Date.now() + SECONDS * 1000; Date.now() < end; ) {
    answer = await ask();
    if (fits(answer)) return answer;
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  throw new Error(`waited ${SECONDS} s for ${what}; last: ${JSON.stringify(answer)}`);
}

const uri = () => vscode.Uri.joinPath(vscode.workspace.workspaceFolders[0].uri, 'recipe.bitmill');

async function open() {
  const document = await vscode.workspace.openTextDocument(uri());
  return vscode.window.showTextDocument(document);
}

const findings = () => vscode.languages.getDiagnostics(uri());
const codeOf = finding => (typeof finding.code === 'object' ? finding.code.value : finding.code);
const wrong = () => findings().find(finding => codeOf(finding) === 'affine-block-divides');

function find(document, text, from = 0) {
  const start = document.getText().indexOf(text, from);
  assert.ok(start >= 0, `no ${text}`);
  return new vscode.Range(document.positionAt(start), document.positionAt(start + text.length));
}

const ask = (command, ...args) => vscode.commands.executeCommand(`vscode.execute${command}`, uri(), ...args);

async function replace(editor, text, by) {
  await editor.edit(edit => edit.replace(find(editor.document, text), by));
}

const TESTS = {
  async 'is active and knows the language'() {
    const editor = await open();
    assert.equal(editor.document.languageId, 'bitmill');
    const extension = vscode.extensions.getExtension('bitmill.bitmill');
    await until('activation', () => extension.isActive);
    const commands = await vscode.commands.getCommands(true);
    for (const { command } of extension.packageJSON.contributes.commands) {
      assert.ok(commands.includes(command), command);
    }
  },

  async 'finds what is wrong, and mends it'() {
    const editor = await open();
    const finding = await until('a finding', wrong);
    assert.equal(editor.document.getText(finding.range), WRONG);
    assert.equal(finding.severity, vscode.DiagnosticSeverity.Error);
    const fixes = await until('a fix', () => ask('CodeActionProvider', finding.range, 'quickfix'), list => list?.length > 0);
    const fix = fixes.find(fix => fix.title.includes('per-group(32)'));
    assert.ok(fix, JSON.stringify(fixes.map(fix => fix.title)));
    assert.ok(await vscode.workspace.applyEdit(fix.edit));
    await until('no finding', () => wrong() === undefined);
    assert.ok(editor.document.getText().includes('per-group(32)'));
  },

  async 'completes'() {
    const editor = await open();
    const behind = find(editor.document, 'scheme w8 = int8 ').end;
    const list = await until('completions', () => ask('CompletionItemProvider', behind), list => list?.items.length > 0);
    const labels = list.items.map(item => (typeof item.label === 'string' ? item.label : item.label.label));
    assert.ok(labels.some(label => label.startsWith('per-channel')), labels.join(' '));
  },

  async 'hovers'() {
    const editor = await open();
    const hovers = await until('a hover', () => ask('HoverProvider', find(editor.document, 'conv ').start), list => list?.length > 0);
    assert.match(hovers[0].contents.map(content => content.value).join('\n'), /weight/);
  },

  async 'shows sizes behind rules'() {
    const editor = await open();
    const all = new vscode.Range(0, 0, editor.document.lineCount, 0);
    const hints = await until('hints', () => ask('InlayHintProvider', all), list => list?.length > 0);
    const label = hints.map(hint => (typeof hint.label === 'string' ? hint.label : hint.label.map(part => part.value).join('')));
    assert.ok(label.some(text => /weight/.test(text)), label.join('\n'));
  },

  async 'goes to definitions, finds references, renames'() {
    const editor = await open();
    const use = find(editor.document, 'w8', editor.document.getText().indexOf('=> w8')).start;
    const definitions = await until('a definition', () => ask('DefinitionProvider', use), list => list?.length > 0);
    assert.equal((definitions[0].range ?? definitions[0].targetSelectionRange).start.line, 3);
    const references = await ask('ReferenceProvider', use);
    assert.ok(references.length >= 1);
    const edit = await ask('DocumentRenameProvider', use, 'w8b');
    assert.equal(edit.get(uri()).length, 2);
    assert.ok(await vscode.workspace.applyEdit(edit));
    assert.equal(editor.document.getText().match(/w8b/g).length, 2);
  },

  async 'has an outline and folds'() {
    await open();
    const symbols = await until('symbols', () => ask('DocumentSymbolProvider'), list => list?.length > 0);
    assert.ok(symbols.some(symbol => /w8/.test(symbol.name)), symbols.map(symbol => symbol.name).join(' '));
  },

  async 'formats'() {
    const editor = await open();
    await replace(editor, 'conv   => w8', 'conv=>w8');
    const edits = await until('edits', () => ask('FormatDocumentProvider', { tabSize: 2, insertSpaces: true }), list => list?.length > 0);
    const edit = new vscode.WorkspaceEdit();
    edit.set(uri(), edits);
    assert.ok(await vscode.workspace.applyEdit(edit));
    assert.ok(editor.document.getText().includes('conv   => w8'));
  },

  async 'shows the plan, and follows the recipe'() {
    await open();
    await vscode.commands.executeCommand('bitmill.showPlan');
    const plan = () => vscode.workspace.textDocuments.find(document => document.uri.scheme === 'bitmill-plan');
    await until('the plan', () => /int8|per-channel/.test(plan()?.getText() ?? ''));
  },

  async 'picks a model'() {
    const editor = await open();
    await replace(editor, 'models/digits.safetensors', 'models/other.safetensors');
    const unreadable = () => findings().some(finding => codeOf(finding) === 'model-unreadable');
    await until('a finding', unreadable);
    await vscode.commands.executeCommand('bitmill.chooseModel', uri(), 'models/digits.safetensors');
    await until('the model', () => !unreadable() && wrong() !== undefined);
  },

  async 'begins a recipe with a preset'() {
    await vscode.commands.executeCommand('bitmill.createRecipe', 'coreml_fp16');
    const document = await until('a new recipe', () => {
      const document = vscode.window.activeTextEditor?.document;
      return document?.isUntitled ? document : undefined;
    });
    assert.equal(document.languageId, 'bitmill');
    assert.match(document.getText(), /extend "coreml_fp16"/);
  },

  async 'explains a code'() {
    await open();
    await vscode.commands.executeCommand('bitmill.explainCode', 'affine-block-divides');
    const page = () => vscode.workspace.textDocuments.find(document => document.uri.scheme === 'bitmill-page');
    await until('the page', () => /affine-block-divides/.test(page()?.getText() ?? ''));
  },

  async 'runs the recipe'() {
    const editor = await open();
    await replace(editor, WRONG, 'per-group(32)');
    await editor.document.save();
    await vscode.commands.executeCommand('bitmill.runRecipe');
    const written = vscode.Uri.joinPath(uri(), '..', 'out.safetensors');
    await until('the output', () => vscode.workspace.fs.stat(written).then(stat => stat.size > 0, () => false));
    await replace(editor, 'per-group(32)', WRONG);
    await editor.document.save();
  },

  async 'does without a server, and finds it again'() {
    await open();
    await until('a finding', wrong);
    const settings = vscode.workspace.getConfiguration('bitmill');
    const path = settings.get('path');
    await settings.update('path', '/nowhere/bitmill', vscode.ConfigurationTarget.Global);
    await until('no finding', () => findings().length === 0);
    await settings.update('path', path, vscode.ConfigurationTarget.Global);
    await until('a finding', wrong);
  },

  async 'starts the server again'() {
    await open();
    await vscode.commands.executeCommand('bitmill.restartServer');
    await until('a finding', wrong);
  },

  // The last one: the editor writes its own settings late, and those of the extension with them.
  async 'fixes all on save, where the user wants that'() {
    const editor = await open();
    const settings = vscode.workspace.getConfiguration('editor');
    await settings.update('codeActionsOnSave', { 'source.fixAll': 'explicit' }, vscode.ConfigurationTarget.Global);
    try {
      await replace(editor, 'linear =>', 'linaer =>');
      await until('a finding', () => findings().some(finding => editor.document.getText(finding.range) === 'linaer'));
      await editor.document.save();
      await until('the word', () => editor.document.getText().includes('linear =>') && !editor.document.isDirty);
    } finally {
      await settings.update('codeActionsOnSave', undefined, vscode.ConfigurationTarget.Global);
    }
  },
};

exports.run = async function () {
  const failures = [];
  for (const [name, test] of Object.entries(TESTS)) {
    const start = Date.now();
    try {
      await test();
      console.log(`ok    ${name} (${Date.now() - start} ms)`);
    } catch (error) {
      failures.push(name);
      console.log(`FAIL  ${name}\n${error.stack}`);
    }
    for (const editor of vscode.window.visibleTextEditors.filter(editor => editor.document.isDirty)) {
      await vscode.window.showTextDocument(editor.document);
      await vscode.commands.executeCommand('workbench.action.revertAndCloseActiveEditor');
    }
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
  }
  if (failures.length > 0) throw new Error(`${failures.length} failed: ${failures.join('; ')}`);
};
