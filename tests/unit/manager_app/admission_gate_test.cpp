#include "manager/app/admission_gate.h"

#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace imgrec::manager {
namespace {

using Verdict = Admission::Verdict;

const SessionId kAnna{"anna"};

AdmissionOptions ten_images() {
  AdmissionOptions options;
  options.max_images = 10;
  options.session_share_percent = 100;
  return options;
}

std::vector<ImageRecord> records(std::uint64_t first_job, std::size_t count) {
  std::vector<ImageRecord> images(count);
  for (std::size_t i = 0; i < count; ++i) {
    images[i].job = JobId{first_job + i};
    images[i].session = kAnna;
    images[i].bytes = 100;
  }
  return images;
}

TEST(AdmissionGate, ATicketThatWasNotStoredGivesItsRoomBack) {
  AdmissionGate gate(ten_images());
  {
    const auto answer = gate.request(kAnna, {10, 1'000});
    ASSERT_NE(answer.ticket, nullptr);
    EXPECT_EQ(gate.request(kAnna, {1, 1}).ticket, nullptr);
    EXPECT_EQ(gate.view().unstored_bytes, 1'000u);
  }
  EXPECT_EQ(gate.view().open.images, 0u);
  EXPECT_EQ(gate.view().unstored_bytes, 0u);
  EXPECT_EQ(gate.view().refused_queue, 1u);
  EXPECT_EQ(gate.refuses(kAnna), std::nullopt);
}

TEST(AdmissionGate, AStoredImageHoldsItsRoomUntilItsFirstEnd) {
  AdmissionGate gate(ten_images());
  const auto images = records(1, 10);
  {
    const auto answer = gate.request(kAnna, {10, 1'000});
    answer.ticket->stored(images);
  }
  EXPECT_EQ(gate.view().open.images, 10u);
  EXPECT_EQ(gate.view().unstored_bytes, 0u);
  EXPECT_TRUE(gate.refuses(kAnna).has_value());
  gate.on_settled(images[0]);
  gate.on_deleted(images[0]);  // long settled, then removed
  gate.on_deleted(images[1]);  // removed while it was open
  EXPECT_EQ(gate.view().open.images, 8u);
  EXPECT_EQ(gate.view().open.bytes, 800u);
}

TEST(AdmissionGate, ImagesOfAnEarlierProcessAreGivenBackLikeOthers) {
  AdmissionGate gate(ten_images());
  const auto images = records(1, 12);
  gate.resumed(images);
  EXPECT_TRUE(gate.refuses(kAnna).has_value());
  for (const auto& image : images) gate.on_settled(image);
  EXPECT_EQ(gate.view().open.images, 0u);
  EXPECT_EQ(gate.view().open.bytes, 0u);
}

TEST(AdmissionGate, ConcurrentUploadsNeverOvershoot) {
  AdmissionGate gate(ten_images());
  std::atomic<std::uint64_t> next_job{1};
  std::atomic<bool> overshot{false};
  std::vector<std::thread> clients;
  for (int client = 0; client < 8; ++client) {
    clients.emplace_back([&] {
      for (int i = 0; i < 2'000; ++i) {
        const auto answer = gate.request(kAnna, {3, 300});
        if (gate.view().open.images > 10) overshot = true;
        if (!answer.ticket || i % 3 == 0) continue;  // every third fails to be stored
        const auto images = records(next_job.fetch_add(3), 3);
        answer.ticket->stored(images);
        for (const auto& image : images) gate.on_settled(image);
      }
    });
  }
  for (auto& client : clients) client.join();
  EXPECT_FALSE(overshot);
  EXPECT_EQ(gate.view().open.images, 0u);
  EXPECT_EQ(gate.view().open.bytes, 0u);
}

}  // namespace
}  // namespace imgrec::manager
