#include "worker/inference/jpeg_reader.h"

#include <array>
#include <csetjmp>
#include <cstdio>

#include <jpeglib.h>
// After jpeglib.h, which it needs.
#include <jerror.h>

namespace imgrec::worker {
namespace {

// A progressive file comes in some ten scans. Thousands of them, of few bytes each, would keep a
// decoder busy for minutes: each goes over the whole picture.
constexpr int kMaxScans = 500;

}  // namespace

// libjpeg reports errors by a function that must not return; it leaves by longjmp to the member
// function that called. Those functions have no object with a destructor among their locals.
struct JpegReader::Impl {
  jpeg_decompress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf leave{};
  std::array<char, JMSG_LENGTH_MAX> message{};
  int code = 0;
  bool started = false;

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
  my.jpeg.out_color_space = JCS_EXT_BGR;
  my.started = jpeg_start_decompress(&my.jpeg) == TRUE;
  return my.started;
}

bool JpegReader::read_rows(unsigned char* pixels, std::size_t row_bytes) {
  Impl& my = *impl_;
  if (setjmp(my.leave) != 0) return false;
  while (my.jpeg.output_scanline < my.jpeg.output_height) {
    std::array<JSAMPROW, 4> rows{};  // libjpeg makes so many at once, at most
    JDIMENSION count = 0;
    for (JDIMENSION y = my.jpeg.output_scanline; y < my.jpeg.output_height && count < rows.size();
         ++y) {
      rows[count++] = pixels + y * row_bytes;
    }
    if (jpeg_read_scanlines(&my.jpeg, rows.data(), count) == 0) return false;
  }
  return true;  // what stands behind the picture does not matter
}

std::uint32_t JpegReader::width() const {
  return impl_->started ? impl_->jpeg.output_width : impl_->jpeg.image_width;
}

std::uint32_t JpegReader::height() const {
  return impl_->started ? impl_->jpeg.output_height : impl_->jpeg.image_height;
}

bool JpegReader::has_colours() const {
  const J_COLOR_SPACE space = impl_->jpeg.jpeg_color_space;
  return space == JCS_GRAYSCALE || space == JCS_YCbCr || space == JCS_RGB;
}

std::string JpegReader::error() const { return impl_->message.data(); }

bool JpegReader::out_of_memory() const { return impl_->code == JERR_OUT_OF_MEMORY; }

}  // namespace imgrec::worker
