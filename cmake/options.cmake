# Compiler options that every target of the project shares.
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

# -O3 costs a third more compile time here and gains nothing: the time is spent in LibTorch.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

option(IMGREC_WERROR "Warnings are errors" ON)

add_library(imgrec_options INTERFACE)
target_include_directories(imgrec_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(imgrec_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow
                                                -Wnon-virtual-dtor -Woverloaded-virtual)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 reports false uninitialised reads of std::variant's inactive members when it optimises.
  target_compile_options(imgrec_options INTERFACE -Wno-maybe-uninitialized)
endif()
if(IMGREC_WERROR)
  target_compile_options(imgrec_options INTERFACE -Werror)
endif()
if(IMGREC_SANITIZE)
  target_compile_options(imgrec_options INTERFACE -fsanitize=${IMGREC_SANITIZE}
                                                  -fno-omit-frame-pointer)
  target_link_options(imgrec_options INTERFACE -fsanitize=${IMGREC_SANITIZE})
endif()

# imgrec_library(NAME SOURCES... [DEPENDS targets...]): one library target per layer. A layer sees
# only what it lists; that is how the direction of dependencies is enforced.
function(imgrec_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC imgrec_options ${ARG_DEPENDS})
endfunction()
