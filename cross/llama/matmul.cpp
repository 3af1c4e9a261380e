// Products of matrices on the CPU, for weights in Q4_1 and Q8_0 as they lie in the file.
//
// llama.cpp is fast with weights that it rearranges as it loads them. Where the CPU has no AMX it does so for Q4_1 nowhere,
// and for Q8_0 on ARM alone; else it takes a dot product for each number of the result, or for tiles of few. Here some
// rows of weights, one for each lane of a vector register, are laid side by side just before they are used, and stay in
// the cache while all columns are multiplied with them ("Anatomy of High-Performance Matrix Multiplication", Goto and van
// de Geijn 2008, calls this packing a panel). One instruction then multiplies four numbers of each row with four of a
// column, and lanes need not be added up.
//
// What comes out is what llama.cpp's own functions give, but for the order in which floats are added, which here does not
// depend on how many columns there are: what a token gets is bit for bit the same whoever else is in the batch.
//
// The build of llama.cpp takes this in place of its own function (see ../llama.cmake), which stays for all other types.

#include "llamafile/sgemm.h"
#include "ggml-cpu-impl.h"
#include "ggml-impl.h"
#include "ggml-quants.h"
#include "simd-mappings.h"

#include <algorithm>
#include <cstring>
#include <vector>

// llama.cpp's own.
extern "C" bool llamafile_sgemm_upstream(const ggml_compute_params * params, int64_t m, int64_t n, int64_t k, const void * A,
    int64_t lda, const void * B, int64_t ldb, void * C, int64_t ldc, int Atype, int Btype, int Ctype);

// LANES is how many rows are computed at once, COLUMNS for how many columns at most: their sums fill the registers.
#if defined(__AVX512F__) && defined(__AVX512BW__)
#define LANES   16
#define COLUMNS 8
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#define LANES   8
#define COLUMNS 4
#elif defined(__aarch64__) && defined(__ARM_FEATURE_DOTPROD)
#define LANES   4
#define COLUMNS 8
#endif

#if defined(LANES)

namespace {

// Bytes of panels, and of columns, that are in use at once. Both together fit a core's L2 cache.
constexpr int64_t CACHE = 128 << 10;

// Numbers that share a scale, those that an instruction multiplies for each row, and those loaded at once.
constexpr int BLOCK = 32;
constexpr int GROUP = 4;
constexpr int PART  = 16;

static_assert(QK4_1 == BLOCK && QK8_0 == BLOCK && QK8_1 == BLOCK, "blocks of another length");

typedef int32_t  ints   __attribute__((vector_size(LANES * 4)));
typedef uint32_t words  __attribute__((vector_size(LANES * 4)));
typedef float    floats __attribute__((vector_size(LANES * 4)));

// What differs by instruction set:
// - Part: PART numbers of a column;
// - dot: `sums` plus the products of four numbers of each row, none above `most`, with group `group` of a part;
// - fma: a * b + c, rounded once; left to the compiler it would depend on the number of columns;
// - widen: the 16-bit floats in the low halves;
// - gather: 16 bytes of every fourth row, in as many lanes each;
// - low32 and so on: pairs of 32 or 64 bits of two registers in turns, from the low or high half of each 16 bytes;
// - BIAS: what is added to numbers with a sign, since x86-64 multiplies bytes without one by bytes with one.
#if defined(__ARM_FEATURE_DOTPROD)

constexpr int BIAS = 0;

typedef int8x16_t Part;

inline Part load(const int8_t * numbers) {
    return vld1q_s8(numbers);
}

template <int group, int most> inline ints dot(ints sums, words rows, Part part) {
    return (ints) vdotq_laneq_s32((int32x4_t) sums, (int8x16_t) rows, part, group);
}

inline floats fma(floats a, floats b, floats c) {
    return (floats) vfmaq_f32((float32x4_t) c, (float32x4_t) a, (float32x4_t) b);
}

inline floats widen(words halves) {
    return (floats) vcvt_f32_f16(vreinterpret_f16_u16(vmovn_u32((uint32x4_t) halves)));
}

template <typename At> inline words gather(At at) {
    return (words) vld1q_u8((const uint8_t *) at(0));
}

inline words low32(words a, words b)  { return (words) vzip1q_u32((uint32x4_t) a, (uint32x4_t) b); }
inline words high32(words a, words b) { return (words) vzip2q_u32((uint32x4_t) a, (uint32x4_t) b); }
inline words low64(words a, words b)  { return (words) vzip1q_u64((uint64x2_t) a, (uint64x2_t) b); }
inline words high64(words a, words b) { return (words) vzip2q_u64((uint64x2_t) a, (uint64x2_t) b); }

#else

constexpr int BIAS = 128;

typedef const int8_t * Part;

inline Part load(const int8_t * numbers) {
    return numbers;
}

template <int group> inline int32_t four(Part part) {
    int32_t bits;
    memcpy(&bits, part + group * GROUP, sizeof(bits));
    return bits;
}

inline __m128i sixteen(const void * bytes) {
    return _mm_loadu_si128((const __m128i *) bytes);
}

#if LANES == 16

template <int group, int most> inline ints dot(ints sums, words rows, Part part) {
    const __m512i numbers = _mm512_set1_epi32(four<group>(part));
#if defined(__AVX512VNNI__)
    return (ints) _mm512_dpbusd_epi32((__m512i) sums, (__m512i) rows, numbers);
#else
    const __m512i ones = _mm512_set1_epi16(1);
    if (2 * most * INT8_MAX <= INT16_MAX) {
        return sums + (ints) _mm512_madd_epi16(_mm512_maddubs_epi16((__m512i) rows, numbers), ones);
    }
    // Two products may be more than 16 bits hold: even and odd bytes are multiplied apart.
    const __m512i even = _mm512_maddubs_epi16(_mm512_and_si512((__m512i) rows, _mm512_set1_epi16(0x00FF)), numbers);
    const __m512i odd  = _mm512_maddubs_epi16(_mm512_andnot_si512(_mm512_set1_epi16(0x00FF), (__m512i) rows), numbers);
    return sums + (ints) _mm512_madd_epi16(even, ones) + (ints) _mm512_madd_epi16(odd, ones);
#endif
}

inline floats fma(floats a, floats b, floats c) {
    return (floats) _mm512_fmadd_ps((__m512) a, (__m512) b, (__m512) c);
}

inline floats widen(words halves) {
    return (floats) _mm512_cvtph_ps(_mm512_cvtepi32_epi16((__m512i) halves));
}

template <typename At> inline words gather(At at) {
    __m512i all = _mm512_castsi128_si512(sixteen(at(0)));
    all = _mm512_inserti32x4(all, sixteen(at(1)), 1);
    all = _mm512_inserti32x4(all, sixteen(at(2)), 2);
    return (words) _mm512_inserti32x4(all, sixteen(at(3)), 3);
}

inline words low32(words a, words b)  { return (words) _mm512_unpacklo_epi32((__m512i) a, (__m512i) b); }
inline words high32(words a, words b) { return (words) _mm512_unpackhi_epi32((__m512i) a, (__m512i) b); }
inline words low64(words a, words b)  { return (words) _mm512_unpacklo_epi64((__m512i) a, (__m512i) b); }
inline words high64(words a, words b) { return (words) _mm512_unpackhi_epi64((__m512i) a, (__m512i) b); }

#else

template <int group, int most> inline ints dot(ints sums, words rows, Part part) {
    const __m256i numbers = _mm256_set1_epi32(four<group>(part));
#if defined(__AVXVNNI__)
    return (ints) _mm256_dpbusd_avx_epi32((__m256i) sums, (__m256i) rows, numbers);
#else
    const __m256i ones = _mm256_set1_epi16(1);
    if (2 * most * INT8_MAX <= INT16_MAX) {
        return sums + (ints) _mm256_madd_epi16(_mm256_maddubs_epi16((__m256i) rows, numbers), ones);
    }
    const __m256i even = _mm256_maddubs_epi16(_mm256_and_si256((__m256i) rows, _mm256_set1_epi16(0x00FF)), numbers);
    const __m256i odd  = _mm256_maddubs_epi16(_mm256_andnot_si256(_mm256_set1_epi16(0x00FF), (__m256i) rows), numbers);
    return sums + (ints) _mm256_madd_epi16(even, ones) + (ints) _mm256_madd_epi16(odd, ones);
#endif
}

inline floats fma(floats a, floats b, floats c) {
    return (floats) _mm256_fmadd_ps((__m256) a, (__m256) b, (__m256) c);
}

inline floats widen(words halves) {
    const __m256i low = _mm256_and_si256((__m256i) halves, _mm256_set1_epi32(0xFFFF));
    return (floats) _mm256_cvtph_ps(_mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1)));
}

template <typename At> inline words gather(At at) {
    return (words) _mm256_inserti128_si256(_mm256_castsi128_si256(sixteen(at(0))), sixteen(at(1)), 1);
}

inline words low32(words a, words b)  { return (words) _mm256_unpacklo_epi32((__m256i) a, (__m256i) b); }
inline words high32(words a, words b) { return (words) _mm256_unpackhi_epi32((__m256i) a, (__m256i) b); }
inline words low64(words a, words b)  { return (words) _mm256_unpacklo_epi64((__m256i) a, (__m256i) b); }
inline words high64(words a, words b) { return (words) _mm256_unpackhi_epi64((__m256i) a, (__m256i) b); }

#endif
#endif

// A block of each row, side by side: number i of the row in lane r is byte i % GROUP of quants[i / GROUP][r].
struct Block {
    words  quants[BLOCK / GROUP];
    floats scale;
    floats least;
};

// Of a block of a column: its scale, and its scaled sum or where a sum of products begins.
struct Scale {
    float scale;
    union {
        float   sum;
        int32_t begin;
    };
};

// A number is its four bits times a scale, plus the block's least number.
struct Q4_1 {
    typedef block_q4_1 Row;
    typedef block_q8_1 Column;
    static constexpr bool LEAST = true;
    static constexpr int  MOST  = 15;
    static constexpr int  PARTS = 1;

    static void put(Block & block, int, const words (& groups)[4]) {
        for (int i = 0; i < 4; i++) {
            block.quants[i]     = groups[i] & 0x0F0F0F0F;
            block.quants[i + 4] = (groups[i] >> 4) & 0x0F0F0F0F;
        }
    }

    static Scale scale(const Column & column) {
        Scale scale;
        scale.scale = GGML_CPU_FP16_TO_FP32(column.d);
        scale.sum   = GGML_CPU_FP16_TO_FP32(column.s);
        return scale;
    }
};

// A number is its byte times a scale.
struct Q8_0 {
    typedef block_q8_0 Row;
    typedef block_q8_0 Column;
    static constexpr bool LEAST = false;
    static constexpr int  MOST  = UINT8_MAX;
    static constexpr int  PARTS = 2;

    static void put(Block & block, int part, const words (& groups)[4]) {
        for (int i = 0; i < 4; i++) {
            block.quants[4 * part + i] = groups[i] ^ (BIAS * 0x01010101u);
        }
    }

    static Scale scale(const Column & column) {
        int32_t sum = 0;
        for (int i = 0; i < BLOCK; i++) {
            sum += column.qs[i];
        }
        Scale scale;
        scale.scale = GGML_CPU_FP16_TO_FP32(column.d);
        scale.begin = -BIAS * sum;
        return scale;
    }
};

// Rows of weights, one for each lane.
template <typename Format> struct Rows {
    const typename Format::Row * row[LANES];
    const char *                 next;

    // `count` rows; lanes beyond have the last one again.
    Rows(const typename Format::Row * first, int64_t stride, int64_t count) {
        for (int lane = 0; lane < LANES; lane++) {
            row[lane] = first + std::min<int64_t>(lane, count - 1) * stride;
        }
        next = (const char *) (row[LANES - 1] + stride);
    }

    Block block(int64_t b) const {
        // The next rows are needed soon, and no hardware foresees so many streams. Into L1 it gains nothing.
        constexpr int64_t BYTES = LANES * sizeof(typename Format::Row);
        for (int64_t i = 0; i < BYTES; i += 64) {
            __builtin_prefetch(next + b * BYTES + i, 0, 2);
        }
        Block block;
        words four[4];
        for (int i = 0; i < 4; i++) {
            four[i] = gather([&](int n) { return &row[4 * n + i][b]; });
        }
        const words halves = low64(low32(four[0], four[1]), low32(four[2], four[3]));
        block.scale = widen(halves & 0xFFFF);
        block.least = Format::LEAST ? widen(halves >> 16) : floats{};
        for (int part = 0; part < Format::PARTS; part++) {
            for (int i = 0; i < 4; i++) {
                four[i] = gather([&](int n) { return row[4 * n + i][b].qs + part * PART; });
            }
            const words a = low32(four[0], four[1]);
            const words c = low32(four[2], four[3]);
            const words e = high32(four[0], four[1]);
            const words g = high32(four[2], four[3]);
            Format::put(block, part, { low64(a, c), high64(a, c), low64(e, g), high64(e, g) });
        }
        return block;
    }
};

// `m` rows times `n` columns, each of so many blocks. Strides are in blocks, but of the result in floats.
template <typename Format> struct Product {
    int64_t                         m;
    int64_t                         n;
    int64_t                         blocks;
    const typename Format::Row *    rows;
    int64_t                         row_stride;
    const typename Format::Column * columns;
    int64_t                         column_stride;
    float *                         result;
    int64_t                         result_stride;

    // A thread's part. The counter of chunks stands at the number of threads.
    void compute(const ggml_compute_params * params) const {
        const int64_t panels = (m + LANES - 1) / LANES;
        const int64_t share  = std::max<int64_t>(1, panels / (8 * params->nth));
        int64_t       chunk  = params->ith;
        if (chunk * share >= panels) {
            return;
        }
        // Panels are packed together, and columns taken together, so that those of a long row are not read from memory for
        // each panel.
        const int64_t together = std::clamp<int64_t>(CACHE / (blocks * sizeof(Block)), 1, share);
        const int64_t column   = blocks * (sizeof(typename Format::Column) + sizeof(Scale));
        const int64_t strip    = std::max<int64_t>(1, CACHE / column / COLUMNS) * COLUMNS;
        static thread_local std::vector<Block> packed;
        static thread_local std::vector<Scale> scales;
        packed.resize(std::max(packed.size(), (size_t) (together * blocks)));
        scales.resize(std::max(scales.size(), (size_t) (n * blocks)));
        for (int64_t j = 0; j < n; j++) {
            for (int64_t b = 0; b < blocks; b++) {
                scales[j * blocks + b] = Format::scale(columns[j * column_stride + b]);
            }
        }
        while (chunk * share < panels) {
            const int64_t end = std::min((chunk + 1) * share, panels);
            for (int64_t p = chunk * share; p < end; p += together) {
                some(p, std::min(p + together, end), strip, packed.data(), scales.data());
            }
            chunk = ggml_threadpool_chunk_add(params->threadpool, 1);
        }
    }

    // Panels `begin` to `end`, times all columns, so many at a time.
    void some(int64_t begin, int64_t end, int64_t strip, Block * packed, const Scale * scales) const {
        const auto count = [&](int64_t p) { return std::min<int64_t>(LANES, m - p * LANES); };
        for (int64_t p = begin; p < end; p++) {
            const Rows<Format> these(rows + p * LANES * row_stride, row_stride, count(p));
            for (int64_t b = 0; b < blocks; b++) {
                packed[(p - begin) * blocks + b] = these.block(b);
            }
        }
        for (int64_t first = 0; first < n; first += strip) {
            for (int64_t p = begin; p < end; p++) {
                for (int64_t j = first; j < std::min(first + strip, n); j += COLUMNS) {
                    tile<COLUMNS>(packed + (p - begin) * blocks, scales + j * blocks, j, p * LANES, count(p));
                }
            }
        }
    }

    // `count` rows from `first` on, times N columns from `j` on, or as many as there are.
    template <int N> void tile(const Block * panel, const Scale * scales, int64_t j, int64_t first, int64_t count) const {
        if constexpr (N > 1) {
            if (n - j < N) {
                return tile<N - 1>(panel, scales, j, first, count);
            }
        }
        floats sums[N] = {};
        for (int64_t b = 0; b < blocks; b++) {
            add(sums, panel[b], columns + j * column_stride + b, scales + b);
        }
        for (int i = 0; i < N; i++) {
            float * to = result + (j + i) * result_stride + first;
            if (count == LANES) {
                memcpy(to, &sums[i], sizeof(floats));
            } else {
                memcpy(to, &sums[i], count * sizeof(float));
            }
        }
    }

    template <int group, int N> static void chain(ints (& dots)[N], words rows, const Part (& numbers)[N]) {
        for (int j = 0; j < N; j++) {
            dots[j] = dot<group, Format::MOST>(dots[j], rows, numbers[j]);
        }
    }

    // Adds the products of a block.
    template <int N>
    void add(floats (& sums)[N], const Block & block, const typename Format::Column * column, const Scale * scales) const {
        // Sums of integers may be split: those of few columns would wait for each instruction.
        constexpr int CHAINS = N < 4 ? 4 / N : 1;
        ints dots[CHAINS][N] = {};
        for (int j = 0; j < N && !Format::LEAST; j++) {
            dots[0][j] += scales[j * blocks].begin;
        }
        for (int part = 0; part < 2; part++) {
            Part numbers[N];
            for (int j = 0; j < N; j++) {
                numbers[j] = load(column[j * column_stride].qs + part * PART);
            }
            chain<0>(dots[0 % CHAINS], block.quants[4 * part + 0], numbers);
            chain<1>(dots[1 % CHAINS], block.quants[4 * part + 1], numbers);
            chain<2>(dots[2 % CHAINS], block.quants[4 * part + 2], numbers);
            chain<3>(dots[3 % CHAINS], block.quants[4 * part + 3], numbers);
        }
        for (int j = 0; j < N; j++) {
            for (int chain = 1; chain < CHAINS; chain++) {
                dots[0][j] += dots[chain][j];
            }
            const Scale & scale = scales[j * blocks];
            sums[j] = fma(__builtin_convertvector(dots[0][j], floats), block.scale * scale.scale, sums[j]);
            if (Format::LEAST) {
                sums[j] = fma(block.least, floats{} + scale.sum, sums[j]);
            }
        }
    }
};

} // namespace

#endif

extern "C" bool llamafile_sgemm(const ggml_compute_params * params, int64_t m, int64_t n, int64_t k, const void * A,
    int64_t lda, const void * B, int64_t ldb, void * C, int64_t ldc, int Atype, int Btype, int Ctype) {
#if defined(LANES)
    const bool q4_1 = Atype == GGML_TYPE_Q4_1 && Btype == GGML_TYPE_Q8_1;
    const bool q8_0 = Atype == GGML_TYPE_Q8_0 && Btype == GGML_TYPE_Q8_0;
    if (Ctype == GGML_TYPE_F32 && (q4_1 || q8_0)) {
        // The caller sets the counter of chunks once it has quantized the columns, for the first of its matrices alone.
        if (B != params->wdata) {
            ggml_barrier(params->threadpool);
            if (params->ith == 0) {
                ggml_threadpool_chunk_set(params->threadpool, params->nth);
            }
            ggml_barrier(params->threadpool);
        }
        if (q4_1) {
            Product<Q4_1>{ m, n, k, (const block_q4_1 *) A, lda, (const block_q8_1 *) B, ldb, (float *) C, ldc }.compute(params);
        } else {
            Product<Q8_0>{ m, n, k, (const block_q8_0 *) A, lda, (const block_q8_0 *) B, ldb, (float *) C, ldc }.compute(params);
        }
        return true;
    }
#endif
    return llamafile_sgemm_upstream(params, m, n, k, A, lda, B, ldb, C, ldc, Atype, Btype, Ctype);
}
