import { basename } from 'node:path';
import * as vscode from 'vscode';
import type { Server, ServerState } from './server';

const ICONS: Record<ServerState, string> = {
  stopped: '$(circle-slash)',
  starting: '$(loading~spin)',
  running: '$(check)',
  missing: '$(error)',
  failed: '$(error)',
};

/** The item of the status bar: the model of the recipe in front, and how the server fares. */
export class Status implements vscode.Disposable {
  private readonly item = vscode.window.createStatusBarItem('bitmill.status', vscode.StatusBarAlignment.Left, 10);
  private readonly subscriptions: vscode.Disposable[];

  constructor(
    private readonly server: Server,
    private readonly picked: ReadonlyMap<string, string>,
  ) {
    this.item.name = 'bitmill';
    const show = () => this.show();
    this.subscriptions = [
      this.item,
      server.onDidChange(show),
      vscode.window.onDidChangeActiveTextEditor(show),
      vscode.languages.onDidChangeDiagnostics(show),
      vscode.workspace.onDidChangeConfiguration(show),
      vscode.workspace.onDidChangeTextDocument(event => {
        if (event.document === vscode.window.activeTextEditor?.document) {
          this.show();
        }
      }),
    ];
    this.show();
  }

  dispose(): void {
    this.subscriptions.forEach(subscription => void subscription.dispose());
  }

  /** Shows what holds now. */
  show(): void {
    const document = vscode.window.activeTextEditor?.document;
    if (document?.languageId !== 'bitmill') {
      this.item.hide();
      return;
    }
    const { state, detail } = this.server;
    const model = modelOf(document, this.picked);
    const errors = vscode.languages.getDiagnostics(document.uri).filter(isError).length;
    const icon = state === 'running' && errors > 0 ? '$(warning)' : ICONS[state];
    this.item.text = `${icon} bitmill: ${model === undefined ? 'no model' : basename(model)}`;
    this.item.tooltip = tooltip(model, errors, detail === '' ? `The bitmill server is ${state}.` : detail);
    const broken = state === 'missing' || state === 'failed';
    this.item.command = broken ? 'bitmill.restartServer' : 'bitmill.chooseModel';
    this.item.backgroundColor = broken ? new vscode.ThemeColor('statusBarItem.errorBackground') : undefined;
    this.item.show();
  }
}

function isError(diagnostic: vscode.Diagnostic): boolean {
  return diagnostic.severity === vscode.DiagnosticSeverity.Error;
}

function tooltip(model: string | undefined, errors: number, detail: string): vscode.MarkdownString {
  const tooltip = new vscode.MarkdownString();
  tooltip.isTrusted = { enabledCommands: ['bitmill.chooseModel', 'bitmill.restartServer', 'bitmill.showLog'] };
  tooltip.appendText(model === undefined ? 'No model: only what needs none is checked.' : `Model: ${model}`);
  tooltip.appendText(`\n\n${errors === 0 ? 'No errors' : errors === 1 ? '1 error' : `${errors} errors`}. ${detail}`);
  tooltip.appendMarkdown(
    '\n\n[Pick model](command:bitmill.chooseModel) · [Restart](command:bitmill.restartServer) · [Log](command:bitmill.showLog)',
  );
  return tooltip;
}

/** The model of a recipe: the one that was picked for it, else the one that it names, else that of the settings. */
function modelOf(document: vscode.TextDocument, picked: ReadonlyMap<string, string>): string | undefined {
  const statement = /^[ \t]*model[ \t]+"((?:[^"\\\r\n]|\\.)+)"/m.exec(document.getText());
  const written = statement?.[1]?.replace(/\\(["\\])/g, '$1').replace(/[\\/]+$/, '');
  const settings = vscode.workspace.getConfiguration('bitmill', document.uri).get<string>('model', '').trim();
  return picked.get(document.uri.toString()) ?? written ?? (settings === '' ? undefined : settings);
}
