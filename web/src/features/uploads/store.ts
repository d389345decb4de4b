import type { Dataset } from "@/api/generated";
import { ABORTED, type ApiProblem, toProblem } from "@/api/problem";
import { type UploadHandle, uploadDataset } from "@/api/upload";

export interface Upload {
  readonly key: number;
  readonly fileName: string;
  readonly size: number;
  readonly sent: number;
  /** `reading`: all is sent, the server reads the table. */
  readonly phase: "sending" | "reading" | "done" | "failed";
  readonly problem: ApiProblem | null;
  readonly dataset: Dataset | null;
}

type Send = (file: File, onProgress: (sent: number) => void) => UploadHandle;

/**
 * The uploads of this page. They live outside of any view, so that one goes on while its person looks at another.
 */
export class UploadStore {
  #uploads: readonly Upload[] = [];
  #handles = new Map<number, UploadHandle>();
  #files = new Map<number, File>();
  #listeners = new Set<() => void>();
  #next = 1;
  readonly #send: Send;

  constructor(send: Send = uploadDataset) {
    this.#send = send;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly snapshot = (): readonly Upload[] => this.#uploads;

  /** Whether leaving the page would end a transfer. */
  get busy(): boolean {
    return this.#handles.size > 0;
  }

  /** Sends a file; settles with its data set, or with null when it failed or was cancelled. */
  async start(file: File): Promise<Dataset | null> {
    const key = this.#next++;
    this.#files.set(key, file);
    this.#set([
      ...this.#uploads,
      { key, fileName: file.name, size: file.size, sent: 0, phase: "sending", problem: null, dataset: null },
    ]);
    const handle = this.#send(file, (sent) => {
      this.#patch(key, { sent, phase: sent >= file.size ? "reading" : "sending" });
    });
    this.#handles.set(key, handle);
    try {
      const dataset = await handle.done;
      this.#patch(key, { sent: file.size, phase: "done", dataset });
      return dataset;
    } catch (error) {
      const problem = toProblem(error);
      if (problem.code === ABORTED) this.dismiss(key);
      else this.#patch(key, { phase: "failed", problem });
      return null;
    } finally {
      this.#handles.delete(key);
    }
  }

  /** Ends a transfer at once and forgets it. */
  cancel(key: number): void {
    this.#handles.get(key)?.cancel();
  }

  /** Takes an ended upload off the list. */
  dismiss(key: number): void {
    this.#files.delete(key);
    this.#set(this.#uploads.filter((upload) => upload.key !== key));
  }

  /** Sends the file of a failed upload once more. */
  retry(key: number): Promise<Dataset | null> {
    const file = this.#files.get(key);
    this.dismiss(key);
    return file ? this.start(file) : Promise.resolve(null);
  }

  #patch(key: number, change: Partial<Upload>): void {
    this.#set(this.#uploads.map((upload) => (upload.key === key ? { ...upload, ...change } : upload)));
  }

  #set(uploads: readonly Upload[]): void {
    this.#uploads = uploads;
    for (const listener of this.#listeners) listener();
  }
}

export const uploads = new UploadStore();

window.addEventListener("beforeunload", (event) => {
  if (uploads.busy) event.preventDefault();
});
