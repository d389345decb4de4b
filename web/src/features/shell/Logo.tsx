/** The mark of MelonKube. */
export function Logo() {
  return (
    <svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true" focusable="false">
      <path fill="var(--mantine-color-melon-7)" d="M16 2 28 9v14l-12 7L4 23V9z" />
      <path
        fill="none"
        stroke="#fff"
        strokeWidth="2"
        strokeLinejoin="round"
        d="M16 9v14M16 9l-6 3.5v7l6 3.5M16 9l6 3.5v7L16 23"
      />
    </svg>
  );
}
