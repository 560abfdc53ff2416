# What is installed: the component evloop_runtime is libevloop.so.N and the add-ons', evloop_dev is everything else.
include_guard(GLOBAL)

set(evloop_targets)
foreach(target IN ITEMS evloop_shared evloop_static evloop_tls_shared evloop_tls_static
        evloop_fiber_shared evloop_fiber_static evloop_fiber_blocking evloop_http_shared evloop_http_static
        evloop_httpd_shared evloop_httpd_static)
    if(TARGET ${target})
        list(APPEND evloop_targets ${target})
    endif()
endforeach()

install(TARGETS ${evloop_targets} evloop_cpp EXPORT evloop
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT evloop_runtime
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT evloop_runtime NAMELINK_COMPONENT evloop_dev
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT evloop_dev)

install(FILES include/evloop.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT evloop_dev)
install(DIRECTORY include/evloop DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT evloop_dev
    FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
if(EXISTS "${PROJECT_SOURCE_DIR}/cpp/evloop.hpp")
    install(FILES cpp/evloop.hpp DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT evloop_dev)
    install(DIRECTORY cpp/evloop DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT evloop_dev
        FILES_MATCHING PATTERN "*.hpp")
endif()

# --- pkg-config -------------------------------------------------------------------------------------------------
#
# Paths are joined to ${prefix}, and ${prefix} is where the file is: the installation may be moved. A directory
# that was given as an absolute path stays one.

set(PC_VERSION ${PROJECT_VERSION})
set(PC_LIBDIR "\${prefix}")
cmake_path(APPEND PC_LIBDIR "${CMAKE_INSTALL_LIBDIR}")
set(PC_INCLUDEDIR "\${prefix}")
cmake_path(APPEND PC_INCLUDEDIR "${CMAKE_INSTALL_INCLUDEDIR}")
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
    set(PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
else()
    string(REGEX REPLACE "[^/]+" ".." up "${CMAKE_INSTALL_LIBDIR}")
    set(PC_PREFIX "\${pcfiledir}/../${up}")
endif()
set(pc_files libevloop.pc)
if(TARGET evloop::tls)
    list(APPEND pc_files addons/tls/libevloop-tls.pc)
    install(DIRECTORY addons/tls/include/evloop DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT evloop_dev)
endif()
if(TARGET evloop::fiber)
    list(APPEND pc_files addons/fiber/libevloop-fiber.pc)
    install(DIRECTORY addons/fiber/include/evloop DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT evloop_dev)
endif()
if(TARGET evloop::httpd)
    list(APPEND pc_files addons/httpd/libevloop-httpd.pc)
    install(DIRECTORY addons/httpd/include/evloop DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT evloop_dev)
endif()
if(TARGET evloop::http)
    list(APPEND pc_files addons/http/libevloop-http.pc)
    install(DIRECTORY addons/http/include/evloop DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT evloop_dev)
endif()
foreach(file IN LISTS pc_files)
    cmake_path(GET file FILENAME name)
    configure_file(${file}.in ${name} @ONLY)
    install(FILES "${PROJECT_BINARY_DIR}/${name}" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig"
        COMPONENT evloop_dev)
endforeach()

# --- find_package -----------------------------------------------------------------------------------------------

if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
    set(CONFIG_INCLUDEDIR "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
else()
    set(CONFIG_INCLUDEDIR "../../${up}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
set(SHARED_SUFFIX ${CMAKE_SHARED_LIBRARY_SUFFIX})
if(APPLE)
    set(SHARED_SONAME "@rpath/libevloop.${evloop_abi}.dylib")
    set(TLS_SONAME "@rpath/libevloop-tls.${evloop_abi}.dylib")
    set(FIBER_BLOCKING_SONAME "@rpath/libevloop-fiber-blocking.${evloop_abi}.dylib")
    set(FIBER_SONAME "@rpath/libevloop-fiber.${evloop_abi}.dylib")
    set(HTTPD_SONAME "@rpath/libevloop-httpd.${evloop_abi}.dylib")
    set(HTTP_SONAME "@rpath/libevloop-http.${evloop_abi}.dylib")
else()
    set(SHARED_SONAME "libevloop.so.${evloop_abi}")
    set(TLS_SONAME "libevloop-tls.so.${evloop_abi}")
    set(FIBER_BLOCKING_SONAME "libevloop-fiber-blocking.so.${evloop_abi}")
    set(FIBER_SONAME "libevloop-fiber.so.${evloop_abi}")
    set(HTTPD_SONAME "libevloop-httpd.so.${evloop_abi}")
    set(HTTP_SONAME "libevloop-http.so.${evloop_abi}")
endif()
set(SIZEOF_VOID_P ${CMAKE_SIZEOF_VOID_P})
set(config_dir "${CMAKE_INSTALL_LIBDIR}/cmake/evloop")
foreach(file IN ITEMS evloop-config.cmake evloop-config-version.cmake)
    configure_file(cmake/${file}.in ${file} @ONLY)
    install(FILES "${PROJECT_BINARY_DIR}/${file}" DESTINATION ${config_dir} COMPONENT evloop_dev)
endforeach()

# A project that has evloop as a subdirectory and exports targets that link it needs evloop in an export set that
# is installed somewhere; what such a project's users find is the file above, which has the same targets.
install(EXPORT evloop NAMESPACE evloop:: FILE evloop-export.cmake DESTINATION ${config_dir}
    COMPONENT evloop_export EXCLUDE_FROM_ALL)
