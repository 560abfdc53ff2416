# A directory of tests is one line here: evloop_tests(<directory> [UNITS <number>] [BACKENDS <name>...] [SINKS <name>...]
# [EVERYDAY <form> <but>...]).
#
# Its *.cpp and *.c become one GoogleTest binary of the directory's name. Each of its suites is a test of ctest once
# for every backend and sink named, "epoll.callbacks.Future", told to the tests in EVLOOP_BACKEND and
# EVLOOP_TEST_SINK; without BACKENDS it runs once, as "unit.List".
#
# On the first backend all suites are everyday tests (everyday.cmake), on the others those that EVERYDAY names, by form,
# with a regular expression for the suites to leave out there.

# What the tests share, main() included. The tests are compiled without optimisation, for they are compiled more
# often than they are run: with sanitizers that takes a quarter of the time. The library has the build type's.
file(GLOB support CONFIGURE_DEPENDS support/*.cpp)
add_library(evloop_support STATIC ${support})
evloop_own_target(evloop_support)
target_compile_options(evloop_support PUBLIC "$<$<COMPILE_LANGUAGE:CXX>:-O0;-g1>")
target_include_directories(evloop_support PUBLIC support)
target_link_libraries(evloop_support PUBLIC evloop_test GTest::gmock GTest::gtest)
# Optimised, for every allocation of every test goes through it.
set_source_files_properties(support/memory.cpp PROPERTIES COMPILE_OPTIONS -O2 SKIP_PRECOMPILE_HEADERS ON)
target_precompile_headers(evloop_support PRIVATE
    "$<$<COMPILE_LANGUAGE:CXX>:${CMAKE_CURRENT_SOURCE_DIR}/support/precompiled.hpp>")

# With EVLOOP_TEST_UNITY the files are compiled as so many units, which takes two thirds of the time from scratch: what
# GoogleTest's headers instantiate is as much as a test. Two files of a unit cannot give one name to two things, in
# anonymous namespaces either. It is the file's name that says its unit, so that a new file moves no other one.
function(evloop_unite target units)
    if(NOT EVLOOP_TEST_UNITY OR NOT units)
        return()
    endif()
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
    # GCC takes what stands in an anonymous namespace of a file for what stands in one of a header.
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-subobject-linkage>)
    foreach(source IN LISTS ARGN)
        cmake_path(GET source FILENAME name)
        string(MD5 hash "${name}")
        string(SUBSTRING "${hash}" 16 4 hash)
        math(EXPR unit "0x${hash} % ${units}")
        set_source_files_properties("${source}" PROPERTIES UNITY_GROUP ${unit})
    endforeach()
endfunction()

function(evloop_tests directory)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "UNITS" "BACKENDS;SINKS;EVERYDAY")
    file(GLOB sources CONFIGURE_DEPENDS ${directory}/*.cpp)
    file(GLOB c_sources CONFIGURE_DEPENDS ${directory}/*.c)
    if(NOT sources)
        return()
    endif()
    add_executable(${directory} ${sources} ${c_sources})
    evloop_own_target(${directory})
    target_link_libraries(${directory} PRIVATE evloop_support)
    target_precompile_headers(${directory} REUSE_FROM evloop_support)
    evloop_unite(${directory} "${arg_UNITS}" ${sources})
    set_source_files_properties(${c_sources} PROPERTIES SKIP_PRECOMPILE_HEADERS ON SKIP_UNITY_BUILD_INCLUSION ON)
    evloop_everyday(TARGETS ${directory})

    if(NOT arg_BACKENDS)
        evloop_register(${directory} ${directory} "^$")
    endif()
    list(GET evloop_test_backends 0 first)
    foreach(backend IN LISTS arg_BACKENDS)
        set(forms ${backend})
        if(arg_SINKS)
            list(TRANSFORM arg_SINKS PREPEND ${backend}. OUTPUT_VARIABLE forms)
        endif()
        foreach(form sink IN ZIP_LISTS forms arg_SINKS)
            set(environment EVLOOP_BACKEND=${backend})
            if(sink)
                list(APPEND environment EVLOOP_TEST_SINK=${sink})
            endif()
            set(all_but ".") # none
            list(FIND arg_EVERYDAY ${form} at)
            if(backend STREQUAL first)
                set(all_but "^$")
            elseif(NOT at EQUAL -1)
                math(EXPR at "${at} + 1")
                list(GET arg_EVERYDAY ${at} all_but)
            endif()
            evloop_register(${directory} ${form} "${all_but}" ${environment})
        endforeach()
    endforeach()
endfunction()

# The suites are listed when ctest runs, by the binary itself, and each runs in one process: to start one for every
# test takes three times as long as the tests. The time limit is above the one that a test gives itself
# (support/sandbox.cpp), which can name the test that hangs. Where starting a process is dear, under a sanitizer above
# all, EVLOOP_TEST_BINARIES makes each binary one test.
function(evloop_register binary prefix all_but)
    if(EVLOOP_TEST_BINARIES)
        add_test(NAME ${prefix}.${binary} COMMAND ${binary} --gtest_brief=1)
        set_tests_properties(${prefix}.${binary} PROPERTIES TIMEOUT 900 LABELS ${binary} ENVIRONMENT "${ARGN}")
        return()
    endif()
    set(script "${CMAKE_CURRENT_BINARY_DIR}/${prefix}.${binary}.cmake")
    file(GENERATE OUTPUT "${script}" CONTENT
"include([[${CMAKE_CURRENT_SOURCE_DIR}/suites.cmake]])
evloop_suites([[$<TARGET_FILE:${binary}>]] ${prefix} ${binary} [[${all_but}]] [[${ARGN}]] ${CMAKE_CROSSCOMPILING_EMULATOR})
")
    set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${script}")
endfunction()

evloop_tests(unit)
set(hardly_polls ForkStress|Steady|Future|Executor) # a third of the time, and nothing of the backend in it
evloop_tests(contract UNITS 16 BACKENDS ${evloop_test_backends} SINKS callbacks records
    EVERYDAY kqueue.callbacks "^(${hardly_polls})$" select.records "^(${hardly_polls})$")
evloop_tests(faults UNITS 3 BACKENDS ${evloop_test_backends})
evloop_tests(model UNITS 2)
# Optimised, for the reference models take most of the time that this binary runs.
set_source_files_properties(model/fd_model.cpp model/timer_model.cpp PROPERTIES
    COMPILE_OPTIONS -O1 SKIP_PRECOMPILE_HEADERS ON)
if(CMAKE_SYSTEM_NAME STREQUAL "Linux") # its peers use epoll
    evloop_tests(load UNITS 1 BACKENDS ${evloop_test_backends} SINKS callbacks records)
endif()
evloop_tests(cpp UNITS 7 BACKENDS ${evloop_test_backends})
target_include_directories(cpp PRIVATE "${PROJECT_SOURCE_DIR}/cpp")
set_source_files_properties(cpp/world_no_exceptions.cpp PROPERTIES
    COMPILE_OPTIONS "-fno-exceptions;-fno-rtti" SKIP_PRECOMPILE_HEADERS ON)

# Transports of the tests' own, by OpenSSL: one that keeps what the socket does not take, and one that holds it itself.
evloop_wants(have_libssl tls_transport libssl)
if(have_libssl)
    evloop_tests(tls_transport BACKENDS ${evloop_test_backends})
    target_link_libraries(tls_transport PRIVATE OpenSSL::SSL)
endif()

# libevloop-tls, over the library as the tests need it.
evloop_wants(have_libssl tls libssl)
if(have_libssl AND TARGET evloop::tls)
    evloop_add_tls(evloop_tls_test STATIC evloop_test)
    evloop_tests(tls UNITS 1 BACKENDS ${evloop_test_backends})
    target_include_directories(tls PRIVATE "${PROJECT_SOURCE_DIR}/cpp")
    target_link_libraries(tls PRIVATE evloop_tls_test OpenSSL::SSL)
endif()

# libevloop-fiber, likewise.
evloop_wants(have_boost_context fiber boost_context)
if(have_boost_context AND TARGET evloop::fiber)
    evloop_add_fiber(evloop_fiber_test STATIC evloop_test)
    evloop_tests(fiber BACKENDS ${evloop_test_backends})
    target_include_directories(fiber PRIVATE "${PROJECT_SOURCE_DIR}/cpp")
    target_link_libraries(fiber PRIVATE evloop_fiber_test)
endif()

# libevloop-http, likewise.
evloop_wants(have_libcurl http libcurl)
if(have_libcurl AND TARGET evloop::http)
    evloop_add_http(evloop_http_test STATIC evloop_test)
    evloop_tests(http BACKENDS ${evloop_test_backends})
    target_include_directories(http PRIVATE "${PROJECT_SOURCE_DIR}/cpp")
    target_link_libraries(http PRIVATE evloop_http_test)
endif()

# libevloop-httpd, likewise.
evloop_wants(have_boost_beast httpd boost_beast)
if(have_boost_beast AND TARGET evloop::httpd)
    evloop_add_httpd(evloop_httpd_test STATIC evloop_test)
    evloop_tests(httpd BACKENDS ${evloop_test_backends})
    target_include_directories(httpd PRIVATE "${PROJECT_SOURCE_DIR}/cpp")
    target_link_libraries(httpd PRIVATE evloop_httpd_test)
endif()
