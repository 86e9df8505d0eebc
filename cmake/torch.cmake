# LibTorch, oneDNN, OpenCV, libjpeg and protobuf, for the directories that need them. Included by
# those only: what
# does not list these targets cannot use them.
#
# Torch gets a target of its own. find_package(Torch) of Debian 12 would also bring in gflags, glog,
# the Python bindings' library, CXX_STANDARD 14 and "-isystem /usr/include", which breaks gcc's
# own include_next of <stdlib.h>.
include_guard(GLOBAL)
set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)  # seen by every directory, not only the first to ask

find_path(IMGREC_TORCH_INCLUDE_DIR torch/script.h REQUIRED)
find_library(IMGREC_TORCH_LIBRARY torch REQUIRED)
find_library(IMGREC_TORCH_CPU_LIBRARY torch_cpu REQUIRED)
find_library(IMGREC_C10_LIBRARY c10 REQUIRED)
add_library(imgrec_torch INTERFACE)
# torch/script.h itself names its headers from the root; torch/torch.h needs this directory.
target_include_directories(imgrec_torch SYSTEM INTERFACE
                           ${IMGREC_TORCH_INCLUDE_DIR}/torch/csrc/api/include)
if(NOT IMGREC_TORCH_INCLUDE_DIR STREQUAL "/usr/include")
  target_include_directories(imgrec_torch SYSTEM INTERFACE ${IMGREC_TORCH_INCLUDE_DIR})
endif()
target_link_libraries(imgrec_torch INTERFACE ${IMGREC_TORCH_LIBRARY} ${IMGREC_TORCH_CPU_LIBRARY}
                                             ${IMGREC_C10_LIBRARY})

# The oneDNN that LibTorch itself uses. Its own package file wants OpenCL's headers, which Debian only
# recommends and nothing here needs.
find_path(IMGREC_ONEDNN_INCLUDE_DIR oneapi/dnnl/dnnl.hpp REQUIRED)
find_library(IMGREC_ONEDNN_LIBRARY dnnl REQUIRED)
add_library(imgrec_onednn INTERFACE)
if(NOT IMGREC_ONEDNN_INCLUDE_DIR STREQUAL "/usr/include")
  target_include_directories(imgrec_onednn SYSTEM INTERFACE ${IMGREC_ONEDNN_INCLUDE_DIR})
endif()
target_link_libraries(imgrec_onednn INTERFACE ${IMGREC_ONEDNN_LIBRARY})

find_package(JPEG REQUIRED)  # libjpeg-turbo

find_package(OpenCV 4.6 REQUIRED COMPONENTS core imgproc imgcodecs dnn)
add_library(imgrec_opencv INTERFACE)  # decoding and resizing
target_include_directories(imgrec_opencv SYSTEM INTERFACE ${OpenCV_INCLUDE_DIRS})
target_link_libraries(imgrec_opencv INTERFACE opencv_core opencv_imgproc opencv_imgcodecs)
add_library(imgrec_opencv_dnn INTERFACE)  # and its own inference, the importer's reference
target_link_libraries(imgrec_opencv_dnn INTERFACE imgrec_opencv opencv_dnn)

# Before 3.22 protobuf's config leaves the compiler's targets to FindProtobuf.
find_package(Protobuf 3.21 REQUIRED)
