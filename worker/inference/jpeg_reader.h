// JPEG pictures to pixels, by libjpeg-turbo, which can leave out detail that nobody will see: a
// picture decoded at half, a quarter or an eighth of its size costs a third of the time. OpenCV
// uses the same library, in twice the time, and says nothing about why a file cannot be decoded.
//
// Thread rule: one thread at a time; two readers share nothing.
// Owns: libjpeg's memory. Borrows the bytes, which must outlive it.
//
//   JpegReader reader(bytes);
//   if (!reader.read_header() || !reader.start(2)) return reader.error();
//   … room for reader.height() rows of reader.width() pixels …
//   if (!reader.read_rows(pixels, row_bytes)) return reader.error();
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace imgrec::worker {

class JpegReader {
 public:
  explicit JpegReader(std::string_view bytes);
  ~JpegReader();
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  // Each: false where the file cannot be decoded, or memory is short; nothing but error() and
  // out_of_memory() may be called then. A scan whose data are damaged is decoded as far as it goes.
  [[nodiscard]] bool read_header();
  // `shrink`: 1, 2, 4 or 8. Pictures of four inks become colours.
  [[nodiscard]] bool start(unsigned shrink);
  // All rows, from the top: blue, green, red, one byte each. `row_bytes`: from row to row.
  [[nodiscard]] bool read_rows(unsigned char* pixels, std::size_t row_bytes);

  // After read_header(): as the file says. After start(): of the rows.
  std::uint32_t width() const;
  std::uint32_t height() const;

  // libjpeg's own words, in English.
  std::string error() const;
  bool out_of_memory() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace imgrec::worker
