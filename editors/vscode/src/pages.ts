import * as vscode from 'vscode';
import type { Server } from './server';

/** Documents that the server writes: the plan of a recipe, and pages that explain. */
export const PLAN = 'bitmill-plan';
export const PAGE = 'bitmill-page';

/** How long a recipe must rest before its open plan is made again, in milliseconds. */
const REST = 400;

export class Pages implements vscode.TextDocumentContentProvider, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  readonly onDidChange = this.changed.event;
  private readonly subscriptions: vscode.Disposable[];
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly server: Server) {
    this.subscriptions = [
      vscode.workspace.registerTextDocumentContentProvider(PLAN, this),
      vscode.workspace.registerTextDocumentContentProvider(PAGE, this),
      vscode.workspace.onDidChangeTextDocument(event => {
        if (event.document.languageId === 'bitmill') {
          this.refreshLater();
        }
      }),
      server.onDidChange(() => this.refreshLater()),
    ];
  }

  async provideTextDocumentContent(uri: vscode.Uri): Promise<string> {
    try {
      const [command, args] =
        uri.scheme === PLAN ? ['bitmill.plan', [recipeOf(uri)]] : ['bitmill.explain', [uri.query || null, codeOf(uri)]];
      return text(await this.server.execute(command, args));
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  /** Shows the plan of a recipe beside it. */
  async showPlan(recipe: string): Promise<void> {
    const path = vscode.Uri.parse(recipe).path;
    const uri = vscode.Uri.from({ scheme: PLAN, path: `${path}.plan`, query: recipe });
    this.changed.fire(uri);
    const document = await vscode.workspace.openTextDocument(uri);
    const options = { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true, preview: true };
    await vscode.window.showTextDocument(document, options);
  }

  /** Shows the page of a code or of a word of the language. */
  async showPage(code: string, recipe: string | undefined): Promise<void> {
    const uri = vscode.Uri.from({ scheme: PAGE, path: `/${code}.md`, query: recipe ?? '' });
    await vscode.commands.executeCommand('markdown.showPreview', uri);
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.subscriptions.forEach(subscription => void subscription.dispose());
    this.changed.dispose();
  }

  private refreshLater(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const open = vscode.workspace.textDocuments.filter(document => [PLAN, PAGE].includes(document.uri.scheme));
      open.forEach(document => this.changed.fire(document.uri));
    }, REST);
  }
}

/** The recipe of a plan; without a query, the file of the plan's path. */
function recipeOf(uri: vscode.Uri): string {
  return uri.query !== '' ? uri.query : vscode.Uri.file(uri.path.replace(/\.plan$/, '')).toString();
}

function codeOf(uri: vscode.Uri): string {
  return uri.path.replace(/^\//, '').replace(/\.md$/, '');
}

/** What a command answers, as text. */
function text(answer: unknown): string {
  return typeof answer === 'string' ? answer : JSON.stringify(answer, undefined, 2);
}
