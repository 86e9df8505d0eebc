// The model that comes with imgrec (models/cifar10-inception), in words. Pure.

const NAME = 'cifar10-inception';
const KNOWN = ['airplanes', 'automobiles', 'birds', 'cats', 'deer', 'dogs', 'frogs', 'horses', 'ships', 'trucks'];

/** The name of the model in use: from a cluster message, until there is one from hello's `model`. */
export function modelName({ cluster, model }) {
  return (cluster ? cluster.model?.name : model?.name) ?? null;
}

/** What can be expected of it; nothing of any other model. */
export function knowsText(name) {
  if (name !== NAME) return '';
  return `The model in use knows ${KNOWN.slice(0, -1).join(', ')} and ${KNOWN.at(-1)}, and nothing else.`;
}

/** How whoever runs the server gets a bigger one, as text and the command in it. */
export function biggerModel(name) {
  if (name !== NAME) return null;
  return { text: 'This small model comes with imgrec. GoogLeNet knows 1,000 classes; to get it, run ',
           command: 'models/get-googlenet.sh' };
}
