import * as vscode from 'vscode';
import {
  CloseAction,
  ErrorAction,
  ExecuteCommandRequest,
  LanguageClient,
  State,
  type ExecuteCommandSignature,
  type LanguageClientOptions,
  type ServerOptions,
} from 'vscode-languageclient/node';
import { findBinary, offerHelp } from './binary';

/** How the server fares. */
export type ServerState = 'stopped' | 'starting' | 'running' | 'missing' | 'failed';

/** How often it may end by itself in `WINDOW` milliseconds before it is left alone. */
const MAX_RESTARTS = 4;
const WINDOW = 180_000;

/** The commands of the server that this extension shows in its own way. */
export type Handlers = ReadonlyMap<string, (args: unknown[]) => Promise<unknown>>;

/** The server, through restarts. */
export class Server implements vscode.Disposable {
  private client: LanguageClient | undefined;
  private queue: Promise<void> = Promise.resolve();
  private ends: number[] = [];
  private readonly changed = new vscode.EventEmitter<ServerState>();
  readonly onDidChange = this.changed.event;
  readonly log: vscode.LogOutputChannel;
  state: ServerState = 'stopped';
  /** Its version, or why there is none. */
  detail = '';
  /** The program, once it was found. */
  binary: string | undefined;

  constructor(private readonly handlers: Handlers) {
    this.log = vscode.window.createOutputChannel('bitmill', { log: true });
  }

  start(): Promise<void> {
    return this.inTurn(() => this.doStart());
  }

  stop(): Promise<void> {
    return this.inTurn(() => this.doStop());
  }

  restart(): Promise<void> {
    this.ends = [];
    return this.inTurn(async () => {
      await this.doStop();
      await this.doStart();
    });
  }

  /** Asks the server to execute one of its commands. */
  async execute(command: string, args: unknown[]): Promise<unknown> {
    const client = this.client;
    if (client === undefined || this.state !== 'running') {
      throw new Error(this.detail === '' ? 'The bitmill server does not run.' : this.detail);
    }
    const known = client.initializeResult?.capabilities.executeCommandProvider?.commands ?? [];
    if (!known.includes(command)) {
      throw new Error(`This version of bitmill has no \`${command}\`; a newer one may.`);
    }
    return client.sendRequest(ExecuteCommandRequest.type, { command, arguments: args });
  }

  dispose(): void {
    void this.stop();
    this.changed.dispose();
    this.log.dispose();
  }

  /** Starts and stops never overlap. */
  private inTurn(action: () => Promise<void>): Promise<void> {
    this.queue = this.queue.then(action, action);
    return this.queue;
  }

  private set(state: ServerState, detail: string): void {
    this.state = state;
    this.detail = detail;
    void vscode.commands.executeCommand('setContext', 'bitmill.running', state === 'running');
    this.changed.fire(state);
  }

  private async doStart(): Promise<void> {
    if (this.client !== undefined) {
      return;
    }
    this.set('starting', 'The bitmill server starts.');
    const found = await findBinary();
    if ('problem' in found) {
      this.set('missing', found.problem);
      this.log.error(found.problem);
      void offerHelp(found);
      return;
    }
    this.binary = found.path;
    this.log.info(`${found.version} at ${found.path}`);
    const server: ServerOptions = { command: found.path, args: ['lsp'], options: { env: process.env } };
    const client = new LanguageClient('bitmill', 'bitmill', server, this.options());
    client.onDidChangeState(event => {
      if (this.client === client && event.newState === State.Running) {
        this.set('running', found.version);
      } else if (this.client === client && event.newState === State.Stopped && this.state === 'running') {
        this.set('failed', 'The bitmill server has ended.');
      }
    });
    this.client = client;
    try {
      await client.start();
    } catch (error) {
      this.client = undefined;
      const why = error instanceof Error ? error.message : String(error);
      this.log.error(why);
      this.set('failed', `The bitmill server does not start: ${why}`);
    }
  }

  private async doStop(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    this.set('stopped', '');
    if (client !== undefined) {
      // A server that has ended cannot be asked to, and need not.
      await client.dispose().catch((error: unknown) => this.log.debug(String(error)));
    }
  }

  private options(): LanguageClientOptions {
    return {
      documentSelector: [
        { scheme: 'file', language: 'bitmill' },
        { scheme: 'untitled', language: 'bitmill' },
      ],
      outputChannel: this.log,
      synchronize: { configurationSection: 'bitmill' },
      initializationOptions: vscode.workspace.getConfiguration('bitmill'),
      markdown: { isTrusted: { enabledCommands: ['bitmill.explainCode'] } },
      errorHandler: {
        error: () => ({ action: ErrorAction.Continue, handled: true }),
        closed: () => this.closed(),
      },
      middleware: { executeCommand: (command, args, next) => this.handle(command, args, next) },
    };
  }

  /** Commands of code lenses and code actions; those that show something are handled here. */
  private handle(command: string, args: unknown[], next: ExecuteCommandSignature): unknown {
    const handler = this.handlers.get(command);
    return handler === undefined ? next(command, args) : handler(args);
  }

  private closed(): { action: CloseAction; handled: boolean } {
    const now = Date.now();
    this.ends = [...this.ends.filter(end => now - end < WINDOW), now];
    if (this.ends.length <= MAX_RESTARTS) {
      this.log.warn('The server has ended and is started again.');
      return { action: CloseAction.Restart, handled: true };
    }
    this.set('failed', 'The bitmill server keeps ending. The log says more.');
    return { action: CloseAction.DoNotRestart, handled: true };
  }
}
