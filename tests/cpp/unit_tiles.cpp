// The products of AMX with its instructions simulated: their packing and edges are tested on machines without it.
#define ASH_SIMULATED_TILES
#include "ash/kernels/tiles.hpp"

namespace ash {

extern void (*const kSimulatedTiles)(const Product&, float*) noexcept;
void (*const kSimulatedTiles)(const Product&, float*) noexcept = ::product_tiles;

}  // namespace ash
