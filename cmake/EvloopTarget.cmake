# How evloop compiles its own code. Everything is set on evloop's targets: nothing here reaches a project that
# uses evloop with add_subdirectory or FetchContent.
include_guard(GLOBAL)
include(CheckCCompilerFlag)
include(CheckLinkerFlag)

foreach(flag IN ITEMS -fno-semantic-interposition -fno-plt)
    string(MAKE_C_IDENTIFIER "EVLOOP_HAVE${flag}" have)
    check_c_compiler_flag(${flag} ${have})
    if(${have})
        list(APPEND evloop_codegen_flags ${flag})
    endif()
endforeach()

check_linker_flag(C "LINKER:--version-script,${PROJECT_SOURCE_DIR}/core/evloop.map" EVLOOP_HAVE_VERSION_SCRIPT)
check_linker_flag(C "LINKER:-z,defs" EVLOOP_HAVE_Z_DEFS)

# What every target of evloop's own gets: the language, and in evloop's own builds warnings and sanitizers.
function(evloop_own_target target)
    set_target_properties(${target} PROPERTIES
        C_STANDARD 11 C_STANDARD_REQUIRED ON
        CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF)
    if(PROJECT_IS_TOP_LEVEL)
        target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic
            $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes> $<$<COMPILE_LANGUAGE:C>:-Wmissing-prototypes>)
    endif()
    if(EVLOOP_WERROR)
        target_compile_options(${target} PRIVATE -Werror)
    endif()
    if(EVLOOP_SANITIZE)
        target_compile_options(${target} PRIVATE -fsanitize=${EVLOOP_SANITIZE} -fno-omit-frame-pointer
            -fno-sanitize-recover=all)
        target_link_options(${target} PRIVATE -fsanitize=${EVLOOP_SANITIZE})
    endif()
endfunction()

# One build of core/.
function(evloop_add_library target type)
    add_library(${target} ${type})
    foreach(source IN LISTS evloop_sources)
        target_sources(${target} PRIVATE "${PROJECT_SOURCE_DIR}/${source}")
    endforeach()
    evloop_own_target(${target})
    target_include_directories(${target} PUBLIC
        "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>" "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
    target_link_libraries(${target} PRIVATE Threads::Threads)

    # Plain C11 hides the system calls that are not ISO C on these.
    target_compile_definitions(${target} PRIVATE
        $<$<PLATFORM_ID:Linux>:_GNU_SOURCE> $<$<PLATFORM_ID:NetBSD>:_NETBSD_SOURCE>)
    # Files beyond 2 GiB and times beyond 2038, also where a long has 32 bits. No public header shows the types.
    if(CMAKE_SIZEOF_VOID_P EQUAL 4)
        target_compile_definitions(${target} PRIVATE _FILE_OFFSET_BITS=64 _TIME_BITS=64)
    endif()
    if(EVLOOP_CHECKS)
        target_compile_definitions(${target} PRIVATE EVLOOP_CHECKS)
    endif()

    # The archive is position independent and hidden too, to be linked into plugins.
    target_compile_options(${target} PRIVATE ${evloop_codegen_flags})
    set_target_properties(${target} PROPERTIES
        OUTPUT_NAME evloop
        C_EXTENSIONS OFF
        C_VISIBILITY_PRESET hidden
        POSITION_INDEPENDENT_CODE ON)

    # In somebody else's build only what is linked is built.
    if(NOT PROJECT_IS_TOP_LEVEL AND NOT EVLOOP_INSTALL)
        set_target_properties(${target} PROPERTIES EXCLUDE_FROM_ALL ON)
    endif()
endfunction()

function(evloop_export_only target map)
    if(EVLOOP_HAVE_VERSION_SCRIPT)
        target_link_options(${target} PRIVATE "LINKER:--version-script,${map}")
        set_target_properties(${target} PROPERTIES LINK_DEPENDS "${map}")
    endif()
    # A function that nobody defines is found here, not by the first user. Sanitizers leave theirs open.
    if(EVLOOP_HAVE_Z_DEFS AND NOT EVLOOP_SANITIZE)
        target_link_options(${target} PRIVATE "LINKER:-z,defs")
    endif()
endfunction()
