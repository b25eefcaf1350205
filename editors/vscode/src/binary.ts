import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import * as vscode from 'vscode';

/** The program that was found, or why there is none. */
export type Found = { path: string; version: string } | { problem: string; set: boolean };

const FILE = process.platform === 'win32' ? 'bitmill.exe' : 'bitmill';

/** Finds the program: the one that the settings name, else the one on the PATH, else that of cargo. */
export async function findBinary(): Promise<Found> {
  const named = vscode.workspace.getConfiguration('bitmill').get<string>('path', '').trim();
  if (named !== '') {
    return tryBinary(expand(named), true);
  }
  const directories = (process.env['PATH'] ?? '').split(delimiter).filter(directory => directory !== '');
  directories.push(join(homedir(), '.cargo', 'bin'));
  for (const directory of directories) {
    const path = join(directory, FILE);
    if (await isExecutable(path)) {
      return tryBinary(path, false);
    }
  }
  return { problem: 'The `bitmill` program is neither on the PATH nor in ~/.cargo/bin.', set: false };
}

/** `~` and `${workspaceFolder}` in a path of the settings. */
function expand(path: string): string {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath ?? '';
  return path.replace(/^~(?=$|[\\/])/, homedir()).replaceAll('${workspaceFolder}', folder);
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function tryBinary(path: string, set: boolean): Promise<Found> {
  try {
    const version = await output(path, ['--version']);
    return { path, version: version.trim() };
  } catch (error) {
    const why = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    return { problem: `\`${path}\` does not start: ${why}`, set };
  }
}

/** What the program writes to its standard output. */
export async function output(path: string, args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(path, args, { timeout: 20_000, maxBuffer: 1 << 24 });
  return stdout;
}

/** Says that there is no program, and how to get one. */
export async function offerHelp(found: { problem: string; set: boolean }): Promise<void> {
  const [settings, install] = ['Open Setting', 'How to Install'];
  const answer = await vscode.window.showErrorMessage(found.problem, settings, install);
  if (answer === settings) {
    await vscode.commands.executeCommand('workbench.action.openSettings', 'bitmill.path');
  } else if (answer === install) {
    const step = { category: 'bitmill.bitmill#bitmill.start', step: 'install' };
    await vscode.commands.executeCommand('workbench.action.openWalkthrough', step, false);
  }
}
