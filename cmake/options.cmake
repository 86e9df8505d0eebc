# Compiler options that every target of the project shares.
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

# -O3 costs a third more compile time here and gains nothing: the time is spent in LibTorch.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
# Only the sanitizer builds use this type. Instrumented code compiles three times slower at -O2 -g,
# and line numbers are all that a report needs.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 -g1")

find_program(CCACHE ccache)
if(CCACHE)
  # A clone in another directory finds what this one has compiled.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}
                                  CCACHE_NOHASHDIR=1 ${CCACHE})
endif()

option(IMGREC_WERROR "Warnings are errors" ON)

add_library(imgrec_options INTERFACE)
target_include_directories(imgrec_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(imgrec_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow
                                                -Wnon-virtual-dtor -Woverloaded-virtual)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # False reports of GCC 12 when it optimises: reads of std::variant's inactive members, and
  # "literal" + std::string (GCC bug 105651).
  target_compile_options(imgrec_options INTERFACE -Wno-maybe-uninitialized -Wno-restrict)
endif()
if(IMGREC_WERROR)
  target_compile_options(imgrec_options INTERFACE -Werror)
endif()

# What every object file must have alike, other people's code too that is compiled here.
add_library(imgrec_sanitizers INTERFACE)
target_link_libraries(imgrec_options INTERFACE imgrec_sanitizers)
if(IMGREC_SANITIZE)
  target_compile_options(imgrec_sanitizers INTERFACE -fsanitize=${IMGREC_SANITIZE}
                                                     -fno-omit-frame-pointer)
  target_link_options(imgrec_sanitizers INTERFACE -fsanitize=${IMGREC_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    if(IMGREC_SANITIZE MATCHES undefined)
      # Two fifths of the compile time, for what is caught elsewhere: a use of a null pointer ends the
      # program all the same, and the fuzz build looks at the alignment in everything that parses.
      target_compile_options(imgrec_sanitizers INTERFACE -fno-sanitize=null,alignment)
    endif()
    if(IMGREC_SANITIZE MATCHES thread)
      # Asio's fences, which the thread sanitizer does not model; Asio does not rely on them alone.
      target_compile_options(imgrec_sanitizers INTERFACE -Wno-tsan)
    endif()
  endif()
endif()

# imgrec_library(NAME SOURCES... [DEPENDS targets...]): one library target per layer. A layer sees
# only what it lists; that is how the direction of dependencies is enforced.
function(imgrec_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC imgrec_options ${ARG_DEPENDS})
endfunction()
