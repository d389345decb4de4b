/** The options that hold the text, the closest first: the same, then those that begin with it, then the rest. */
export function rank<T extends { label: string }>(options: readonly T[], search: string): T[] {
  const wanted = search.trim().toLowerCase();
  if (wanted === "") return [...options];
  const distance = (label: string) => {
    const text = label.toLowerCase();
    return text === wanted ? 0 : text.startsWith(wanted) ? 1 : text.includes(wanted) ? 2 : 3;
  };
  return options
    .map((option) => ({ option, far: distance(option.label) }))
    .filter(({ far }) => far < 3)
    .sort((one, other) => one.far - other.far)
    .map(({ option }) => option);
}
