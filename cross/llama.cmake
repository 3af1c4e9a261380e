# What the build of llama.cpp is told beyond the binding's build script. CMake
# reads this after each project() there; .cargo/config.toml names it.

# The libraries find each other wherever they lie together.
set(CMAKE_INSTALL_RPATH "$ORIGIN")
# The build script puts each library beside the program under its plain name.
set(CMAKE_PLATFORM_NO_VERSIONED_SONAME ON)

# Two kernels are ours (llama/*.cpp say why) in every plugin for a CPU, whose targets
# there are only once all folders were read. Cargo looks at none of these files, so
# after a change of one: cargo clean --release -p llama-cpp-sys-2
if(PROJECT_NAME STREQUAL "ggml")
    cmake_language(DEFER CALL shoal_kernel attention.cpp ops.cpp ggml_compute_forward_flash_attn_ext)
    cmake_language(DEFER CALL shoal_kernel matmul.cpp llamafile/sgemm.cpp llamafile_sgemm)
endif()

# Plugins are one file per level of the instruction set, chosen when the program
# starts. A build for this machine alone needs only its own, which is one in ten
# of the work; a build for boards sets SHOAL_EVERY_ISA.
if(NOT DEFINED ENV{SHOAL_EVERY_ISA})
    set(GGML_CPU_ALL_VARIANTS OFF CACHE BOOL "" FORCE)
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
        # ggml takes GGML_NATIVE with plugins on every architecture but this.
        set(GGML_NATIVE OFF CACHE BOOL "" FORCE)
        add_compile_options(-march=native)
    endif()
else()
    set(GGML_NATIVE OFF CACHE BOOL "" FORCE)
    # GCC 12, which Debian 12 has, knows neither SME nor ARMv9.2, and no board of ours
    # has them: these levels are then built without. They still ask for SME.
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$" AND PROJECT_NAME STREQUAL "llama.cpp")
        include(CheckCXXCompilerFlag)
        check_cxx_compiler_flag("-march=armv9.2-a+sme" SHOAL_COMPILER_KNOWS_SME)
        if(NOT SHOAL_COMPILER_KNOWS_SME)
            cmake_language(DEFER CALL shoal_without_sme)
        endif()
    endif()
endif()

function(shoal_without_sme)
    foreach(level ggml-cpu-armv9.2_1 ggml-cpu-armv9.2_2)
        if(TARGET ${level})
            get_target_property(options ${level} COMPILE_OPTIONS)
            string(REPLACE "armv9.2-a" "armv9-a" options "${options}")
            string(REPLACE "+sme" "" options "${options}")
            set_target_properties(${level} PROPERTIES COMPILE_OPTIONS "${options}")
        endif()
    endforeach()
endfunction()

# Compiles llama/`ours` beside llama.cpp's file `theirs`, whose `function` gets another
# name, by which ours can still call it.
function(shoal_kernel ours theirs function)
    get_property(targets DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}/src" PROPERTY BUILDSYSTEM_TARGETS)
    set(found FALSE)
    foreach(target ${targets})
        get_target_property(sources ${target} SOURCES)
        if("ggml-cpu/${theirs}" IN_LIST sources)
            set(found TRUE)
            set_source_files_properties("${CMAKE_CURRENT_SOURCE_DIR}/src/ggml-cpu/${theirs}" TARGET_DIRECTORY ${target}
                PROPERTIES COMPILE_DEFINITIONS ${function}=${function}_upstream)
            target_sources(${target} PRIVATE "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/llama/${ours}")
        endif()
    endforeach()
    if(GGML_CPU AND NOT found)
        message(FATAL_ERROR "llama.cpp's ${theirs} is left out or lies elsewhere now; see ${CMAKE_CURRENT_FUNCTION_LIST_FILE}")
    endif()
endfunction()
