// Files that were chosen and not sent are lost with their page. Remembers how many there were, so
// that the page can say so once when it is loaded again, in the same tab.

const KEY = 'imgrec.unsent';

/**
 * @param page     the window
 * @param storage  () => Storage; where it is forbidden, nothing is remembered
 * @param unsent   () => how many are not sent now
 * @param onLost   (count) => void, at most once: so many were lost
 */
export function followUnsent({ page, storage, unsent, onLost }) {
  const patiently = (act) => {
    try {
      act();
    } catch { /* storage is forbidden or full: then nothing is said */ }
  };
  page.addEventListener('pagehide', () => patiently(() => {
    if (unsent() > 0) storage().setItem(KEY, unsent());
  }));
  page.addEventListener('pageshow', ({ persisted }) => patiently(() => {
    const count = Number.parseInt(storage().getItem(KEY), 10);
    storage().removeItem(KEY);
    if (!persisted && count > 0) onLost(count);  // a page that was kept still has its files
  }));
}
