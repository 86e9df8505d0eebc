# Third-party libraries, all of them Debian 12 packages. Each becomes one target with system
# headers, so that our warnings stay about our code.
find_package(Threads REQUIRED)
find_package(spdlog REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(zlib REQUIRED IMPORTED_TARGET zlib)

if(IMGREC_FUZZ)
  return()  # the parsers need no more
endif()

find_package(Boost 1.81 REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(SQLite3 REQUIRED)
pkg_check_modules(pistache REQUIRED IMPORTED_TARGET libpistache)
find_package(prometheus-cpp REQUIRED CONFIG COMPONENTS core)

# Boost.Asio and Beast, headers only, compiled the same way everywhere.
add_library(imgrec_boost INTERFACE)
target_link_libraries(imgrec_boost INTERFACE Boost::headers Threads::Threads)
target_compile_definitions(imgrec_boost INTERFACE BOOST_ASIO_NO_DEPRECATED
                                                  BOOST_ASIO_DISABLE_BOOST_COROUTINE)

if(IMGREC_TESTS)
  find_package(GTest REQUIRED)
endif()
