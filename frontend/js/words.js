// What a photo's phase is called. Pure.

import { labelText, percent, sentence } from './format.js';

const TITLES = {
  waiting: 'Waiting to be sent',
  queued: 'In the queue',
  assigned: 'Recognizing…',
  failed: 'Not recognized',
  rejected: 'Not accepted',
  network: 'Not sent',
  gone: 'Not there any more',
};

/** A card's title: the answer, or what the photo waits for. */
export function titleOf({ phase, progress, error, top }) {
  if (phase === 'done') return top.length > 0 ? labelText(top[0].label).short : 'No answer';
  if (phase === 'uploading') return progress < 1 ? `Sending… ${Math.floor(progress * 100)}%` : 'Sent';
  return TITLES[error?.kind ?? phase] ?? TITLES.rejected;
}

export function scoreOf({ phase, top }) {
  return phase === 'done' && top.length > 0 ? percent(top[0].score) : '';
}

/** Why there is no answer, or why it takes its time; often nothing. */
export function detailOf({ error, note }) {
  return error ? sentence(error.detail) : note;
}

/** A photo in one sentence, for those who do not see its card. */
export function spoken(item) {
  const answer = [titleOf(item), scoreOf(item), item.unsure ? 'not sure' : ''].filter(Boolean);
  return `${item.name}: ${answer.join(', ')}`;
}
