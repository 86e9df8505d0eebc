// Filters that a first convolution may begin with: they whiten small patches of the pictures, so
// that what the next layer sees is uncorrelated from the first step on, and fewer epochs are
// needed. Page, "How to Train Your ResNet 8: Bag of Tricks" (2019).
//
// Thread rule: none of its own. Owns: nothing.
#pragma once

#include <cstdint>
#include <vector>

#include <torch/torch.h>

#include "training/core/photos.h"

namespace imgrec::training {

// `count` filters (count x 3 x 3 x 3) in pairs of one and its negative, since what follows lets
// little of a negative answer through: the principal components of the patches of some thousand of
// `members`, those of the greatest variance first, each scaled to answer with a variance of one.
// More filters than components: the components again, from the first.
// REQUIRES: count > 0, at least one member, pictures of at least 3 x 3.
torch::Tensor whitening_filters(const Photos& photos, const std::vector<std::size_t>& members,
                                const Normalisation& how, std::int64_t count);

}  // namespace imgrec::training
