import * as vscode from 'vscode';
import { Commands } from './commands';
import { Pages } from './pages';
import { Server } from './server';
import { Status } from './status';

let server: Server | undefined;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const handlers = new Map<string, (args: unknown[]) => Promise<unknown>>();
  const running = new Server(handlers);
  server = running;
  const pages = new Pages(running);
  const commands = new Commands(running, () => pages);
  const status = new Status(running, commands.picked);
  context.subscriptions.push(pages, status, commands.onDidPick(() => status.show()), running);
  running.onDidChange(state => {
    if (state === 'running') {
      commands.pickAgain().catch((error: unknown) => running.log.error(String(error)));
    }
  });

  // Commands of the server, in code lenses and code actions: arguments are the recipe, then what else there is.
  const text = (value: unknown) => (typeof value === 'string' ? value : undefined);
  handlers.set('bitmill.run', ([recipe]) => commands.run(text(recipe)));
  handlers.set('bitmill.plan', ([recipe]) => commands.plan(text(recipe)));
  handlers.set('bitmill.explain', ([recipe, code]) => commands.explain(text(recipe), text(code)));
  handlers.set('bitmill.newRecipe', ([, preset]) => commands.newRecipe(text(preset)));
  handlers.set('bitmill.pickModel', ([recipe, model]) => commands.pickModel(text(recipe), text(model)));

  // Commands of this extension, under names that the server does not have.
  register(context, 'bitmill.runRecipe', uri => commands.run(ofMenu(uri)));
  register(context, 'bitmill.showPlan', uri => commands.plan(ofMenu(uri)));
  register(context, 'bitmill.explainCode', code => commands.explain(undefined, text(code)));
  register(context, 'bitmill.createRecipe', preset => commands.newRecipe(text(preset)));
  register(context, 'bitmill.chooseModel', (uri, model) => commands.pickModel(ofMenu(uri), text(model)));
  register(context, 'bitmill.restartServer', () => running.restart());
  register(context, 'bitmill.showLog', () => Promise.resolve(running.log.show()));

  context.subscriptions.push(
    vscode.workspace.onDidChangeConfiguration(event => {
      if (event.affectsConfiguration('bitmill.path')) {
        void running.restart();
      }
    }),
    vscode.workspace.onDidGrantWorkspaceTrust(() => void running.restart()),
  );
  await running.start();
}

export async function deactivate(): Promise<void> {
  await server?.stop();
}

/** The file that a menu was opened on. */
function ofMenu(uri: unknown): string | undefined {
  return uri instanceof vscode.Uri ? uri.toString() : undefined;
}

/** Registers a command whose failures are shown. */
function register(
  context: vscode.ExtensionContext,
  id: string,
  action: (...args: unknown[]) => Promise<unknown>,
): void {
  const shown = async (...args: unknown[]) => {
    try {
      await action(...args);
    } catch (error) {
      void vscode.window.showErrorMessage(error instanceof Error ? error.message : String(error));
    }
  };
  context.subscriptions.push(vscode.commands.registerCommand(id, shown));
}
