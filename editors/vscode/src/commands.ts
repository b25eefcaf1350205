import { relative } from 'node:path';
import * as vscode from 'vscode';
import { output } from './binary';
import type { Pages } from './pages';
import type { Server } from './server';

/** What a recipe can be about. A package is a directory, which is found by its manifest. */
const MODELS = '**/{*.safetensors,*.pt2,*.mlpackage/Manifest.json}';
const MOST_MODELS = 500;

/** The commands of the palette and of code lenses. */
export class Commands {
  private readonly models = new Map<string, string>();
  private readonly picks = new vscode.EventEmitter<void>();
  /** The models that were picked, by recipe. */
  readonly picked: ReadonlyMap<string, string> = this.models;
  readonly onDidPick = this.picks.event;

  constructor(
    private readonly server: Server,
    private readonly pages: () => Pages,
  ) {}

  /** Runs a recipe; the server reports progress. */
  async run(recipe?: string): Promise<void> {
    const uri = recipe ?? active()?.uri.toString();
    if (uri === undefined) {
      return;
    }
    // What is run is the file, which should be what is seen.
    const document = vscode.workspace.textDocuments.find(document => document.uri.toString() === uri);
    if (document?.isDirty === true && !(await document.save())) {
      return;
    }
    const answer = await this.server.execute('bitmill.run', [uri]);
    if (typeof answer === 'string' && answer !== '') {
      void vscode.window.showInformationMessage(answer);
    }
  }

  async plan(recipe?: string): Promise<void> {
    const uri = recipe ?? active()?.uri.toString();
    if (uri !== undefined) {
      await this.pages().showPlan(uri);
    }
  }

  /** Shows the page of a code: the one given, or one that is asked for. */
  async explain(recipe?: string, code?: string): Promise<void> {
    const uri = recipe ?? active()?.uri.toString();
    const prompt = 'A code such as `affine-bits`, a word of the language, a preset or a target';
    const wanted = code ?? (await vscode.window.showInputBox({ prompt, value: wordInFront() }));
    if (wanted !== undefined && wanted.trim() !== '') {
      await this.pages().showPage(wanted.trim(), uri);
    }
  }

  /** Begins a recipe with a preset, in a new editor. */
  async newRecipe(preset?: string): Promise<void> {
    const binary = this.server.binary;
    if (binary === undefined) {
      throw new Error(this.server.detail || 'The bitmill program has not been found.');
    }
    const name = preset ?? (await pickPreset(binary));
    if (name === undefined) {
      return;
    }
    const content = await output(binary, ['--color', 'never', 'new', name]);
    const document = await vscode.workspace.openTextDocument({ language: 'bitmill', content });
    await vscode.window.showTextDocument(document);
  }

  /** Has the server take another model for a recipe, whatever that names. */
  async pickModel(recipe?: string, model?: string): Promise<void> {
    const document = recipe === undefined ? active() : await vscode.workspace.openTextDocument(vscode.Uri.parse(recipe));
    if (document === undefined) {
      return;
    }
    const path = model ?? (await pickModel(document));
    if (path !== undefined) {
      const uri = document.uri.toString();
      await this.server.execute('bitmill.pickModel', [uri, path]);
      this.models.set(uri, path);
      this.picks.fire();
    }
  }

  /** Tells a server that was started again what was picked. */
  async pickAgain(): Promise<void> {
    for (const [uri, model] of this.models) {
      await this.server.execute('bitmill.pickModel', [uri, model]);
    }
  }
}

/** The recipe in front. */
function active(): vscode.TextDocument | undefined {
  const document = vscode.window.activeTextEditor?.document;
  if (document?.languageId === 'bitmill') {
    return document;
  }
  void vscode.window.showInformationMessage('Open a bitmill recipe first.');
  return undefined;
}

/** The code of the finding at the cursor, else the word there. */
function wordInFront(): string {
  const editor = vscode.window.activeTextEditor;
  if (editor?.document.languageId !== 'bitmill') {
    return '';
  }
  const cursor = editor.selection.active;
  const here = vscode.languages.getDiagnostics(editor.document.uri).find(finding => finding.range.contains(cursor));
  const code = typeof here?.code === 'object' ? here.code.value : here?.code;
  if (code !== undefined) {
    return String(code);
  }
  const word = editor.document.getWordRangeAtPosition(cursor);
  return word === undefined ? '' : editor.document.getText(word);
}

async function pickPreset(binary: string): Promise<string | undefined> {
  const listed = JSON.parse(await output(binary, ['presets', '--json'])) as { presets: { name: string; title: string }[] };
  const items = listed.presets.map(preset => ({ label: preset.name, detail: preset.title }));
  const options = { title: 'New recipe', placeHolder: 'The preset to begin with', matchOnDetail: true };
  return (await vscode.window.showQuickPick(items, options))?.label;
}

/** Lets a model of the workspace be picked, or any file. Its path is relative to the recipe where it can be. */
async function pickModel(document: vscode.TextDocument): Promise<string | undefined> {
  const found = await vscode.workspace.findFiles(MODELS, '**/node_modules/**', MOST_MODELS);
  const models = found.map(uri => uri.fsPath.replace(/[\\/]Manifest\.json$/, ''));
  const items: (vscode.QuickPickItem & { path?: string })[] = models
    .sort()
    .map(path => ({ label: vscode.workspace.asRelativePath(path), path: fromRecipe(document, path) }));
  const other = { label: '$(folder-opened) Another file …', alwaysShow: true };
  items.push(other);
  const picked = await vscode.window.showQuickPick(items, { title: 'Pick model', placeHolder: 'The model of this recipe' });
  if (picked !== other) {
    return picked?.path;
  }
  const options = { canSelectFiles: true, canSelectFolders: true, openLabel: 'Pick model' };
  const chosen = (await vscode.window.showOpenDialog(options))?.[0];
  return chosen === undefined ? undefined : fromRecipe(document, chosen.fsPath);
}

function fromRecipe(document: vscode.TextDocument, path: string): string {
  if (document.uri.scheme !== 'file') {
    return path;
  }
  const directory = vscode.Uri.joinPath(document.uri, '..').fsPath;
  return relative(directory, path).replaceAll('\\', '/') || path;
}
