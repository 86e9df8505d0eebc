// The arithmetic of a grid of which only the rows in sight exist. Lengths in CSS pixels. Pure.

const OVERSCAN_ROWS = 1;  // above and below what is in sight, so that scrolling finds them there

/** Columns of at least `minWidth` in `width`, and how wide each of them is then. */
export function columnsFor({ width, minWidth, gap }) {
  const columns = Math.max(1, Math.floor((width + gap) / (minWidth + gap)));
  return { columns, cardWidth: Math.max(0, (width - gap * (columns - 1)) / columns) };
}

const pitch = ({ cardHeight, gap }) => cardHeight + gap;

/** The height of all rows. */
export function heightFor(count, layout) {
  const rows = Math.ceil(count / layout.columns);
  return rows === 0 ? 0 : rows * pitch(layout) - layout.gap;
}

/** Where a card lies, from the grid's upper left corner. */
export function placeOf(index, layout) {
  return {
    x: (index % layout.columns) * (layout.cardWidth + layout.gap),
    y: Math.floor(index / layout.columns) * pitch(layout),
  };
}

/**
 * The cards that must exist, [first, last): those between `top` and `bottom`, which are measured
 * from the grid's upper edge and may lie outside of it, and a row more at either end.
 */
export function rangeFor(count, top, bottom, layout) {
  const rows = Math.ceil(count / layout.columns);
  const inRows = (row) => Math.min(rows, Math.max(0, row));
  const from = inRows(Math.floor(top / pitch(layout)) - OVERSCAN_ROWS);
  const to = inRows(Math.ceil(bottom / pitch(layout)) + OVERSCAN_ROWS);
  return {
    first: Math.min(count, from * layout.columns),
    last: Math.min(count, Math.max(from, to) * layout.columns),
  };
}

/** How far to scroll so that a row at `y` lies between `top` and `bottom`; 0 where it does. */
export function scrollNeeded(y, top, bottom, { cardHeight }) {
  if (y < top) return y - top;
  return Math.max(0, Math.min(y + cardHeight - bottom, y - top));
}

/** The card that a key leads to from card `index`; null for a key that leads nowhere. */
export function cardAfterKey(key, index, count, { columns, rowsInSight }) {
  const page = columns * Math.max(1, rowsInSight);
  const steps = {
    ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns,
    PageUp: -page, PageDown: page, Home: -count, End: count,
  };
  if (count === 0 || !Object.hasOwn(steps, key)) return null;
  const target = index + steps[key];
  // Up from the first row and down from the last one stay where they are.
  if (key === 'ArrowUp' && target < 0) return index;
  if (key === 'ArrowDown' && target >= count) {
    const lastRow = Math.floor((count - 1) / columns);
    return Math.floor(index / columns) < lastRow ? count - 1 : index;
  }
  return Math.min(count - 1, Math.max(0, target));
}
