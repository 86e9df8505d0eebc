#include "manager/core/image_record.h"

namespace imgrec::manager {

std::string_view to_string(ImageState state) {
  switch (state) {
    case ImageState::kQueued:
      return "queued";
    case ImageState::kAssigned:
      return "assigned";
    case ImageState::kDone:
      return "done";
    case ImageState::kFailed:
      return "failed";
  }
  return "unknown";
}

}  // namespace imgrec::manager
