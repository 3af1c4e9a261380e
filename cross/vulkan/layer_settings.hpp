// What llama.cpp's Vulkan backend takes from headers newer than Debian 12's
// (1.3.239): the structures of VK_EXT_layer_settings, by which it sets up a
// validation layer for its developers. Read before each of its files, and empty
// where the system's own headers have them.
#pragma once

#include <vulkan/vulkan_core.h>

#ifndef VK_EXT_layer_settings
#define VK_EXT_layer_settings 1

#include <cstdint>
#include <vector>

namespace vk {

enum class LayerSettingTypeEXT : uint32_t { eBool32 = 0 };

struct LayerSettingEXT {
    const char *        layer;
    const char *        name;
    LayerSettingTypeEXT type;
    uint32_t            count;
    const void *        values;
};

struct LayerSettingsCreateInfoEXT {
    // VK_STRUCTURE_TYPE_LAYER_SETTINGS_CREATE_INFO_EXT
    VkStructureType         type = static_cast<VkStructureType>(1000496000);
    const void *            next = nullptr;
    uint32_t                count;
    const LayerSettingEXT * settings;

    explicit LayerSettingsCreateInfoEXT(const std::vector<LayerSettingEXT> & from)
        : count(static_cast<uint32_t>(from.size())), settings(from.data()) {}
};

} // namespace vk

#endif
