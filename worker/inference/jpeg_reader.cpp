#include "worker/inference/jpeg_reader.h"

#include <array>
#include <csetjmp>
#include <cstdio>
#include <vector>

#include <jpeglib.h>
// After jpeglib.h, which it needs.
#include <jerror.h>

namespace imgrec::worker {
namespace {

// A progressive file comes in some ten scans. Thousands of them, of few bytes each, would keep a
// decoder busy for minutes: each goes over the whole picture.
constexpr int kMaxScans = 500;

// Inks to blue, green, red: what one ink and the black leave of the white. Files have them
// inverted, 0 is all of the ink, as Adobe's programs began it; browsers take every file so.
void to_colours(const unsigned char* inks, std::size_t count, unsigned char* colours) {
  constexpr unsigned kWhite = 255;
  for (std::size_t i = 0; i < count; ++i, inks += 4, colours += 3) {
    const unsigned black = inks[3];
    for (int ink = 0; ink < 3; ++ink) {
      colours[2 - ink] = static_cast<unsigned char>((inks[ink] * black + kWhite / 2) / kWhite);
    }
  }
}

}  // namespace

// libjpeg reports errors by a function that must not return; it leaves by longjmp to the member
// function that called. Those functions, and what they call, have no object with a destructor among
// their locals.
struct JpegReader::Impl {
  jpeg_decompress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf leave{};
  std::array<char, JMSG_LENGTH_MAX> message{};
  int code = 0;
  bool started = false;
  std::vector<unsigned char> inks;  // a few rows, where the picture is of four

  static constexpr std::size_t kRows = 4;  // libjpeg makes so many at once, at most

  bool four_inks() const { return jpeg.out_color_space == JCS_CMYK; }
  std::size_t inks_of_row() const { return std::size_t{4} * jpeg.output_width; }

  bool read_rows(unsigned char* pixels, std::size_t row_bytes) {
    while (jpeg.output_scanline < jpeg.output_height) {
      std::array<JSAMPROW, kRows> rows{};
      const JDIMENSION first = jpeg.output_scanline;
      JDIMENSION count = 0;
      for (; first + count < jpeg.output_height && count < kRows; ++count) {
        rows[count] = four_inks() ? inks.data() + count * inks_of_row()
                                  : pixels + (first + count) * row_bytes;
      }
      const JDIMENSION read = jpeg_read_scanlines(&jpeg, rows.data(), count);
      if (read == 0) return false;
      for (JDIMENSION i = 0; four_inks() && i < read; ++i) {
        to_colours(rows[i], jpeg.output_width, pixels + (first + i) * row_bytes);
      }
    }
    return true;
  }

  static Impl& of(j_common_ptr jpeg) { return *static_cast<Impl*>(jpeg->client_data); }

  [[noreturn]] static void on_error(j_common_ptr jpeg) {
    Impl& self = of(jpeg);
    self.code = jpeg->err->msg_code;
    jpeg->err->format_message(jpeg, self.message.data());
    std::longjmp(self.leave, 1);
  }

  static void on_progress(j_common_ptr jpeg) {
    Impl& self = of(jpeg);
    if (self.jpeg.input_scan_number <= kMaxScans) return;
    std::snprintf(self.message.data(), self.message.size(), "it has more than %d scans", kMaxScans);
    std::longjmp(self.leave, 1);
  }
};

JpegReader::JpegReader(std::string_view bytes) : impl_(std::make_unique<Impl>()) {
  Impl& my = *impl_;
  my.jpeg.err = jpeg_std_error(&my.errors);
  my.errors.error_exit = Impl::on_error;
  my.errors.emit_message = [](j_common_ptr, int) {};  // warnings: of damage that is decoded over
  my.errors.output_message = [](j_common_ptr) {};
  my.jpeg.client_data = &my;
  if (setjmp(my.leave) != 0) return;  // no memory; message says so
  jpeg_create_decompress(&my.jpeg);
  my.progress.progress_monitor = Impl::on_progress;
  my.jpeg.progress = &my.progress;
  jpeg_mem_src(&my.jpeg, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
}

JpegReader::~JpegReader() { jpeg_destroy_decompress(&impl_->jpeg); }

bool JpegReader::read_header() {
  Impl& my = *impl_;
  if (my.message[0] != '\0') return false;
  if (setjmp(my.leave) != 0) return false;
  return jpeg_read_header(&my.jpeg, TRUE) == JPEG_HEADER_OK;
}

bool JpegReader::start(unsigned shrink) {
  Impl& my = *impl_;
  if (setjmp(my.leave) != 0) return false;
  my.jpeg.scale_num = 1;
  my.jpeg.scale_denom = shrink;
  const bool four_inks =
      my.jpeg.jpeg_color_space == JCS_CMYK || my.jpeg.jpeg_color_space == JCS_YCCK;
  my.jpeg.out_color_space = four_inks ? JCS_CMYK : JCS_EXT_BGR;
  my.started = jpeg_start_decompress(&my.jpeg) == TRUE;
  return my.started;
}

bool JpegReader::read_rows(unsigned char* pixels, std::size_t row_bytes) {
  Impl& my = *impl_;
  if (my.four_inks()) my.inks.resize(Impl::kRows * my.inks_of_row());
  if (setjmp(my.leave) != 0) return false;
  return my.read_rows(pixels, row_bytes);  // what stands behind the picture does not matter
}

std::uint32_t JpegReader::width() const {
  return impl_->started ? impl_->jpeg.output_width : impl_->jpeg.image_width;
}

std::uint32_t JpegReader::height() const {
  return impl_->started ? impl_->jpeg.output_height : impl_->jpeg.image_height;
}

std::string JpegReader::error() const { return impl_->message.data(); }

bool JpegReader::out_of_memory() const { return impl_->code == JERR_OUT_OF_MEMORY; }

}  // namespace imgrec::worker
