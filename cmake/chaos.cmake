# What every host target shares.

add_library(chaos_options INTERFACE)
target_include_directories(chaos_options INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/chaos>)
target_compile_features(chaos_options INTERFACE cxx_std_23)

set(CHAOS_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor
    -Woverloaded-virtual -Wimplicit-fallthrough -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND CHAOS_WARNINGS -Wno-restrict)  # false alarms on std::string at -O3 (GCC bugs 105329, 105651)
endif()

if(CHAOS_SANITIZE)
  set(CHAOS_SANITIZE_FLAGS -fsanitize=${CHAOS_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  if(CHAOS_SANITIZE STREQUAL "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    list(APPEND CHAOS_SANITIZE_FLAGS -Wno-tsan)  # Boost.Asio's fences; our own code uses none
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # In instrumented code GCC sees overflows where there are none (its manual warns of it): the release build decides.
    list(APPEND CHAOS_SANITIZE_FLAGS -Wno-error)
  endif()
else()
  set(CHAOS_SANITIZE_FLAGS "")
endif()

# chaos_library(<name> SOURCES ... [PUBLIC libs...] [PRIVATE libs...]): a static library of one layer.
function(chaos_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_compile_options(${name} PRIVATE ${CHAOS_WARNINGS} ${CHAOS_SANITIZE_FLAGS})
  target_link_libraries(${name} PUBLIC chaos_options ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE})
endfunction()

# chaos_program(<name> SOURCES ... LIBS ...): a program in bin/, static where the build allows it.
function(chaos_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_compile_options(${name} PRIVATE ${CHAOS_WARNINGS} ${CHAOS_SANITIZE_FLAGS})
  target_link_options(${name} PRIVATE ${CHAOS_SANITIZE_FLAGS})
  target_link_libraries(${name} PRIVATE chaos_options ${ARG_LIBS})
  if(CHAOS_STATIC AND NOT CHAOS_SANITIZE)
    target_link_options(${name} PRIVATE -static)
  endif()
endfunction()

# chaos_unit_tests(<folder> LIBS ...): tests/unit/<folder>/*_test.cpp as one GoogleTest program.
function(chaos_unit_tests folder)
  cmake_parse_arguments(ARG "" "" "LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/unit/${folder}/*.cpp)
  if(NOT sources)
    return()
  endif()
  set(name unit_${folder})
  add_executable(${name} ${sources})
  # -O0: the tests run in less time than it takes to optimise them. What they test is optimised.
  target_compile_options(${name} PRIVATE ${CHAOS_WARNINGS} ${CHAOS_SANITIZE_FLAGS} -O0)
  target_link_options(${name} PRIVATE ${CHAOS_SANITIZE_FLAGS})
  target_link_libraries(${name} PRIVATE ${ARG_LIBS} GTest::gmock GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE CHAOS_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                                             CHAOS_BINARY_DIR="${CMAKE_BINARY_DIR}")
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT 120 LABELS unit)
endfunction()
