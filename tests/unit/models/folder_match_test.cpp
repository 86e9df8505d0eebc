#include "models/app/folder_match.h"

#include <gmock/gmock.h>

namespace imgrec::models {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(MatchFolders, ByTheWholeLabelOrItsFirstWord) {
  const FolderMatch match =
      match_folders({"cat", "n02 sea snake", "dog"}, {"cat", "n02", "unicorn"});
  EXPECT_THAT(match.folder_of, ElementsAre(Pair(0, "cat"), Pair(1, "n02")));
  EXPECT_THAT(match.strange, ElementsAre("unicorn"));
  EXPECT_THAT(match.without, ElementsAre(2));
}

TEST(MatchFolders, NoFolderIsOfTwoClasses) {
  const FolderMatch toys = match_folders({"toy poodle", "toy terrier"}, {"toy", "toy terrier"});
  EXPECT_THAT(toys.folder_of, ElementsAre(Pair(1, "toy terrier")));
  EXPECT_THAT(toys.strange, ElementsAre("toy"));
  EXPECT_THAT(toys.without, ElementsAre(0));
  const FolderMatch cranes = match_folders({"crane", "ant", "crane"}, {"crane"});
  EXPECT_THAT(cranes.folder_of, IsEmpty()) << "a bird or a machine";
  EXPECT_THAT(cranes.strange, ElementsAre("crane"));
}

TEST(MatchFolders, TheLabelsOwnNameGoesBeforeAFirstWord) {
  EXPECT_THAT(match_folders({"sea snake", "sea"}, {"sea"}).folder_of, ElementsAre(Pair(1, "sea")));
  const FolderMatch both = match_folders({"sea snake"}, {"sea", "sea snake"});
  EXPECT_THAT(both.folder_of, ElementsAre(Pair(0, "sea snake")));
  EXPECT_THAT(both.strange, ElementsAre("sea"));
}

}  // namespace
}  // namespace imgrec::models
