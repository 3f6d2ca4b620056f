// AMX products with simulated instructions, so that packing and edge tiles can be tested on machines without AMX.
#define ASH_SIMULATED_TILES
#include "ash/kernels/tiles.hpp"

namespace ash {

extern void (*const kSimulatedTiles)(const Product&, float*) noexcept;
void (*const kSimulatedTiles)(const Product&, float*) noexcept = ::product_tiles;

}  // namespace ash
