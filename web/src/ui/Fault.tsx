import type { ProblemItem } from "@/api/generated";
import { useItemText } from "@/i18n/problem-text";
import { Said } from "./Said";

/** One fault of several: the page's words for it, then the server's where they say more. */
export function Fault({
  item,
  words,
  placed = false,
}: {
  item: ProblemItem;
  /** Better words than those of the code, where the place is known. */
  words?: string | undefined;
  /** It stands at its field already, which need not be named again. */
  placed?: boolean;
}) {
  const { where, text, said } = useItemText()(item, words);
  return (
    <>
      {!placed && where && <b>{`${where}: `}</b>}
      {text}
      {said && <Said>{said}</Said>}
    </>
  );
}
