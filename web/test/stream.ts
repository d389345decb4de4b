/** A server's event stream, of which a test says what comes when. */
export class FakeStream {
  readonly response: Response;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  readonly #encoder = new TextEncoder();

  constructor(signal?: AbortSignal | null) {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
      },
    });
    signal?.addEventListener("abort", () => {
      try {
        this.#controller?.error(new DOMException("", "AbortError"));
      } catch {
        // The stream has ended before.
      }
    });
    this.response = new Response(body, { headers: { "Content-Type": "text/event-stream" } });
  }

  send(text: string): void {
    this.#controller?.enqueue(this.#encoder.encode(text));
  }

  event(seq: number, type: string, data: unknown): void {
    this.send(`id: ${seq}\nevent: ${type}\ndata: ${JSON.stringify({ seq, type, data })}\n\n`);
  }

  end(): void {
    this.#controller?.close();
  }
}
