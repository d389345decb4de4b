import type { Dataset } from "./generated";
import { newKey } from "./http";
import { ABORTED, ApiProblem, toProblem } from "./problem";

export interface UploadHandle {
  /** Settles with the data set, or rejects with an ApiProblem (`aborted` after `cancel`). */
  readonly done: Promise<Dataset>;
  /** Ends the transfer at once; the server forgets what it has received. */
  cancel(): void;
}

/**
 * Sends a file. XMLHttpRequest, because `fetch` does not say how much has been sent.
 *
 * @param onProgress Called with the bytes sent so far; once all are sent, the server reads the table.
 */
export function uploadDataset(file: File, onProgress: (sent: number) => void): UploadHandle {
  const request = new XMLHttpRequest();
  const done = new Promise<Dataset>((resolve, reject) => {
    request.upload.onprogress = (event) => onProgress(Math.min(event.loaded, file.size));
    request.upload.onload = () => onProgress(file.size);
    request.onload = () => {
      let body: unknown = null;
      try {
        body = JSON.parse(request.responseText);
      } catch {
        body = request.responseText;
      }
      if (request.status >= 200 && request.status < 300) resolve(body as Dataset);
      else reject(toProblem(body, request.status));
    };
    request.onerror = () => reject(toProblem(null));
    request.onabort = () => reject(new ApiProblem({ status: 0, code: ABORTED, detail: "" }));
  });
  const form = new FormData();
  form.append("file", file, file.name);
  request.open("POST", "/api/v1/datasets");
  request.setRequestHeader("Accept", "application/json");
  request.setRequestHeader("Idempotency-Key", newKey());
  request.send(form);
  return { done, cancel: () => request.abort() };
}
