"""What one line of every board and release in tests/assets/tegrastats_lines.jsonl says, read by a person.

The key is (board, release) as in that file, and stands for its first line of them. What is not named here the
line does not tell. Helpers only save writing braces: "729" is 0% at that clock, "7@729" 7%.
"""


def cores(text):
    return [None if word == "off" else core(word) for word in text.split()]


def core(word):
    percent, at, mhz = word.partition("@")
    return {"percent": int(percent), "mhz": int(mhz)} if at else {"percent": 0, "mhz": int(word)}


def rails(**values):
    return {
        name: dict(zip(("cur", "avg", "peak"), (*numbers, None, None))) for name, numbers in values.items()
    }


def engines(**values):
    return {
        name: None if value is None else dict(zip(("percent", "mhz"), value))
        for name, value in values.items()
    }


def ram(used, total, blocks, block):
    return {"ram_used_mb": used, "ram_total_mb": total, "lfb_blocks": blocks, "lfb_block_mb": block}


def swap(used, total, cached):
    return {"swap_used_mb": used, "swap_total_mb": total, "swap_cached_mb": cached}


def emc(percent, mhz):
    return {"emc_percent": percent, "emc_mhz": mhz}


def gpu(percent, *mhz):
    return {"gpu_percent": percent, "gpu_mhz": list(mhz) or None}


def mts(fg, bg):
    return {"mts": {"fg_percent": fg, "bg_percent": bg}}


IRAM = {"iram_used_kb": 0, "iram_total_kb": 252, "iram_lfb_kb": 252}

BY_HAND = {
    ("TX1", "R28-R32"): {
        **ram(1179, 3983, 120, 4),
        **IRAM,
        "cpu": cores("1@102 4@102 102 102"),
        **emc(7, 408),
        **gpu(0, 76),
        "ape_mhz": 25,
        "temps_c": {
            "AO": 42.5,
            "CPU": 37.5,
            "GPU": 39.0,
            "PLL": 37.0,
            "Tdiode": 42.75,
            "Tboard": 42.0,
            "thermal": 38.5,
        },
        "rails_mw": rails(VDD_IN=(2532, 2698), VDD_CPU=(76, 178), VDD_GPU=(19, 19)),
    },
    ("Nano 4GB", "R32"): {
        **ram(534, 3964, 98, 4),
        **swap(5, 1982, 1),
        **IRAM,
        "cpu": cores("16@204 9@204 204 204"),
        **emc(0, 204),
        **gpu(0, 76),
        "ape_mhz": 25,
        "temps_c": {"PLL": 34.0, "CPU": 36.5, "GPU": 36.0, "AO": 39.5, "thermal": 36.25},
        "rails_mw": rails(POM_5V_IN=(1022, 1022), POM_5V_GPU=(0, 0), POM_5V_CPU=(204, 204)),
    },
    ("Nano 4GB", "R32.1 (root)"): {
        **ram(724, 3965, 81, 4),
        **IRAM,
        "cpu": cores("1@102 102 102 102"),
        **emc(4, 204),
        **gpu(0, 153),
        "ape_mhz": 25,
        "temps_c": {"PLL": 25.0, "CPU": 27.5, "GPU": 29.0, "AO": 35.0, "thermal": 28.25},
        "rails_mw": rails(POM_5V_IN=(877, 877), POM_5V_GPU=(0, 0), POM_5V_CPU=(125, 125)),
    },
    ("Nano 4GB", "R32.7"): {
        **ram(1464, 3964, 214, 4),
        **swap(0, 1982, 0),
        **IRAM,
        "cpu": cores("90@1479 16@1479 1479 9@1479"),
        **emc(6, 1600),
        **gpu(7, 768),
        "ape_mhz": 25,
        "temps_c": {"PLL": 28.0, "CPU": 32.0, "GPU": 28.5, "AO": 37.0, "thermal": 30.25},
        "rails_mw": rails(POM_5V_IN=(2746, 2911), POM_5V_GPU=(159, 161), POM_5V_CPU=(796, 989)),
    },
    ("Nano 4GB", "R32.7 (5W mode)"): {
        **ram(1409, 3964, 28, 4),
        **swap(0, 1982, 0),
        **IRAM,
        "cpu": cores("22@518 67@518 off off"),
        **emc(0, 1600),
        **gpu(0, 76),
        "ape_mhz": 25,
        "temps_c": {"PLL": 28.5, "CPU": 32.0, "GPU": 30.5, "AO": 39.5, "thermal": 31.25},
        "rails_mw": rails(POM_5V_IN=(2003, 2003), POM_5V_GPU=(0, 0), POM_5V_CPU=(320, 320)),
    },
    ("Nano 2GB", "R32 (JP 4.6)"): {
        **ram(1234, 1979, 4, 4),
        **swap(0, 989, 0),
        **IRAM,
        "cpu": cores("12@1479 17@1479 16@1479 11@1479"),
        **emc(0, 1600),
        **gpu(0, 921),
        "temps_c": {"PLL": 29.0, "CPU": 29.5, "GPU": 28.0, "AO": 33.5, "thermal": 29.0},
        "rails_mw": rails(POM_5V_IN=(1812, 1812), POM_5V_GPU=(0, 0), POM_5V_CPU=(401, 401)),
    },
    ("TX2", "R28-R32"): {
        **ram(1345, 7829, 1290, 4),
        **swap(0, 512, 0),
        "cpu": cores("2@345 off off off off off"),
        **emc(13, 40),
        **gpu(0, 114),
        "ape_mhz": 150,
        "temps_c": {
            "BCPU": 35.0,
            "MCPU": 35.0,
            "GPU": 41.0,
            "PLL": 35.0,
            "AO": 35.5,
            "Tboard": 35.0,
            "Tdiode": 36.0,
            "thermal": 35.5,
        },
        "rails_mw": rails(
            VDD_IN=(2003, 2658),
            VDD_CPU=(320, 518),
            VDD_GPU=(400, 735),
            VDD_SOC=(400, 415),
            VDD_WIFI=(0, 0),
            VDD_DDR=(240, 348),
        ),
    },
    ("TX2", "R28"): {
        **ram(1685, 7854, 1044, 4),
        **swap(278, 8192, 23),
        "cpu": cores("4@346 344 345 1@345 345 2@345"),
        **emc(16, 102),
        **gpu(0, 140),
        "ape_mhz": 150,
        **mts(0, 0),
        "temps_c": {
            "BCPU": 41.0,
            "MCPU": 41.0,
            "GPU": 39.0,
            "PLL": 41.0,
            "Tboard": 37.0,
            "Tdiode": 37.25,
            "thermal": 39.9,
        },
        "rails_mw": rails(
            VDD_IN=(1776, 1853),
            VDD_CPU=(231, 231),
            VDD_GPU=(154, 154),
            VDD_SOC=(386, 385),
            VDD_WIFI=(38, 38),
            VDD_DDR=(250, 288),
        ),
    },
    ("TX2", "R32"): {
        **ram(3276, 7859, 5, 4),
        **swap(1626, 12122, 181),
        "cpu": cores("44@1421 49@2031 67@2034 17@1420 25@1419 8@1420"),
        **emc(1, 1866),
        **gpu(0, 114),
        "ape_mhz": 150,
        **mts(1, 1),
        "temps_c": {
            "PLL": 42.5,
            "MCPU": 42.5,
            "Tboard": 38.0,
            "GPU": 39.5,
            "BCPU": 42.5,
            "thermal": 41.3,
            "Tdiode": 39.25,
        },
        "rails_mw": rails(
            VDD_SYS_GPU=(182, 182),
            VDD_SYS_SOC=(730, 730),
            VDD_4V0_WIFI=(0, 0),
            VDD_IN=(5297, 5297),
            VDD_SYS_CPU=(1917, 1917),
            VDD_SYS_DDR=(1241, 1241),
        ),
    },
    ("TX2", "R32 (non-root)"): {
        **ram(1404, 7860, 236, 4),
        **swap(0, 3930, 0),
        "cpu": cores("345 960 960 345 345 345"),
        "temps_c": {
            "PLL": 35.5,
            "MCPU": 35.5,
            "Tboard": 30.0,
            "GPU": 32.0,
            "BCPU": 35.5,
            "thermal": 34.1,
            "Tdiode": 31.5,
        },
        "rails_mw": rails(
            VDD_SYS_GPU=(153, 153),
            VDD_SYS_SOC=(306, 306),
            VDD_4V0_WIFI=(0, 0),
            VDD_IN=(1649, 1649),
            VDD_SYS_CPU=(306, 306),
            VDD_SYS_DDR=(173, 173),
        ),
    },
    ("Xavier NX", "R32"): {
        **ram(4412, 7772, 237, 4),
        **swap(139, 3886, 2),
        "cpu": cores("9@1190 6@1190 6@1190 5@1190 4@1190 8@1267"),
        **emc(10, 1600),
        **gpu(62, 306),
        "ape_mhz": 150,
        **mts(0, 0),
        "temps_c": {"AO": 41.5, "GPU": 43.0, "AUX": 41.5, "CPU": 43.5, "thermal": 42.55},
        "rails_mw": rails(VDD_IN=(4067, 4067), VDD_CPU_GPU_CV=(738, 738), VDD_SOC=(1353, 1353)),
    },
    ("Xavier NX", "R32 (root)"): {
        **ram(2387, 7774, 961, 4),
        **swap(0, 3887, 0),
        "cpu": cores("14@1190 9@1190 2@1190 4@1190 1190 1@1344"),
        **emc(1, 1600),
        **gpu(0, 114),
        "engines": engines(VIC=(0, 115)),
        "ape_mhz": 150,
        **mts(0, 3),
        "temps_c": {"AO": 31.0, "GPU": 31.5, "AUX": 31.5, "CPU": 33.0, "thermal": 31.95},
        "rails_mw": rails(VDD_IN=(3528, 3569), VDD_CPU_GPU_CV=(410, 426), VDD_SOC=(1107, 1115)),
    },
    ("Xavier NX", "R32 (non-root)"): {
        **ram(4071, 7770, 171, 4),
        **swap(0, 3885, 0),
        "cpu": cores("9@1420 7@1420 9@1420 7@1420 12@1420 6@1420"),
        "temps_c": {"AO": 61.5, "GPU": 62.0, "AUX": 62.0, "CPU": 64.0, "thermal": 62.25},
        "rails_mw": rails(VDD_IN=(5608, 5483), VDD_CPU_GPU_CV=(1160, 1089), VDD_SOC=(2640, 2643)),
    },
    ("Xavier NX", "R35"): {
        **ram(2690, 6854, 6, 1),
        **swap(479, 3427, 3),
        "cpu": cores("3@1904 7@1906 1@1905 1907 off off"),
        **emc(0, 1600),
        **gpu(0, 510),
        "engines": engines(VIC=(None, 601)),
        "ape_mhz": 150,
        "temps_c": {"AUX": 39.0, "CPU": 39.5, "AO": 37.5, "GPU": 37.5},
        "rails_mw": rails(VDD_IN=(5079, 5079), VDD_CPU_GPU_CV=(696, 696), VDD_SOC=(1104, 1104)),
    },
    ("Xavier NX", "R35.4.1 (JP 5.1.2)"): {
        "timestamp": "2024-07-09T13:31:31",
        **ram(3168, 6851, 2, 4),
        **swap(161, 3426, 0),
        "cpu": cores("23@1397 17@1192 16@1190 13@1190 23@1190 10@1190"),
        **emc(2, 204),
        **gpu(0, 114),
        "engines": engines(VIC=(None, 115)),
        "ape_mhz": 150,
        "temps_c": {"AUX": 45.0, "CPU": 46.5, "thermal": 45.6, "AO": 45.0, "GPU": 45.5},
        "rails_mw": rails(VDD_IN=(2763, 2846), VDD_CPU_GPU_CV=(650, 670), VDD_SOC=(650, 711)),
    },
    ("AGX Xavier", "R31-R32.1 (non-root, no swap)"): {
        **ram(1903, 15692, 3251, 4),
        "cpu": cores("1@1190 1@1190 2@1190 1190 1190 1190 1190 1190"),
        "temps_c": {
            "AO": 32.5,
            "GPU": 32.0,
            "Tboard": 32.0,
            "Tdiode": 34.75,
            "AUX": 31.5,
            "CPU": 33.5,
            "thermal": 32.9,
        },
        "rails_mw": rails(
            GPU=(0, 0), CPU=(216, 216), SOC=(864, 864), CV=(0, 0), VDDRQ=(144, 144), SYS5V=(1889, 1889)
        ),
    },
    ("AGX Xavier", "R32 (non-root)"): {
        **ram(14700, 15692, 3, 2),
        **swap(898, 8192, 23),
        "cpu": cores("1190 1190 1190 1190 1190 1190 1190 1190"),
        "temps_c": {
            "AO": 30.0,
            "GPU": 30.5,
            "Tboard": 31.0,
            "Tdiode": 32.0,
            "AUX": 30.5,
            "CPU": 31.5,
            "thermal": 30.8,
        },
        "rails_mw": rails(
            GPU=(463, 463),
            CPU=(618, 618),
            SOC=(2936, 2936),
            CV=(0, 0),
            VDDRQ=(309, 309),
            SYS5V=(3306, 3306),
        ),
    },
    ("TK1", "R21 (old grammar)"): {
        **ram(714, 1876, 139, 4),
        **swap(0, 2048, 0),
        "cpu": cores("25@2218 7@2218 1@2218 1@2218"),
        **emc(3, 924),
        **gpu(0, 252),
        "engines": engines(AVP=(0, 81), VDE=(None, 120)),
        "edp_limit": 0,
    },
    ("Orin NX 16GB", "R35"): {
        **ram(6334, 15388, 1770, 4),
        **swap(491, 7694, 0),
        "cpu": cores("6@729 9@729 5@729 16@729 off off off off"),
        **emc(0, 2133),
        **gpu(0, 611),
        "engines": engines(VIC=(None, 729)),
        "ape_mhz": 174,
        "temps_c": {
            "CV0": 45.812,
            "CPU": 47.937,
            "SOC2": 46.093,
            "SOC0": 46.968,
            "CV1": 46.406,
            "GPU": 45.875,
            "tj": 48.875,
            "SOC1": 48.875,
            "CV2": 45.75,
        },
        "rails_mw": rails(VDD_IN=(5299, 5299), VDD_CPU_GPU_CV=(773, 773), VDD_SOC=(1424, 1424)),
    },
    ("Orin NX 16GB", "R35 (non-root, no rails)"): {
        "timestamp": "2026-08-21T15:11:33",
        **ram(998, 15389, 3313, 4),
        **swap(0, 7694, 0),
        "cpu": cores("4@883 883 1@883 883 729 729 729 729"),
        "temps_c": {
            "CV0": 54.156,
            "CPU": 56.843,
            "SOC2": 54.906,
            "SOC0": 56.031,
            "CV1": 54.093,
            "GPU": 54.375,
            "tj": 57.468,
            "SOC1": 57.468,
            "CV2": 54.281,
        },
    },
    ("Orin NX 16GB", "R36 (non-root)"): {
        "timestamp": "2025-11-23T22:47:56",
        **ram(1729, 15657, 8, 4),
        **swap(0, 7828, 0),
        "cpu": cores("1@1420 2@1420 4@1420 3@1420 off off off off"),
        **gpu(0),
        "temps_c": {
            "cv0": 43.562,
            "cpu": 46.125,
            "soc2": 43.781,
            "soc0": 44.656,
            "cv1": 43.312,
            "gpu": 43.0,
            "tj": 46.937,
            "soc1": 46.937,
            "cv2": 43.781,
        },
        "rails_mw": rails(VDD_IN=(6120, 6120), VDD_CPU_GPU_CV=(436, 436), VDD_SOC=(2464, 2464)),
    },
    ("Orin NX/Nano 8GB", "R36"): {
        "timestamp": "2025-05-15T18:30:28",
        **ram(6982, 7620, 5, 1),
        **swap(2640, 16384, 202),
        "cpu": cores("97@1984 95@1984 95@1984 91@1984 88@1984 93@247"),
        **emc(18, 3199),
        **gpu(84, 713),
        "engines": engines(
            NVENC=(1, 115),
            NVDEC=(40, 115),
            NVJPG=None,
            NVJPG1=None,
            VIC=(31, 115),
            OFA=None,
            NVDLA0=None,
            PVA0=None,
        ),
        "ape_mhz": 174,
        "temps_c": {
            "cv0": 63.031,
            "cpu": 65.562,
            "soc2": 64.156,
            "soc0": 63.031,
            "cv1": 62.937,
            "gpu": 63.5,
            "tj": 65.562,
            "soc1": 64.718,
            "cv2": 60.875,
        },
        "rails_mw": rails(VDD_IN=(17946, 15710), VDD_CPU_GPU_CV=(8896, 7585), VDD_SOC=(3923, 3515)),
    },
    ("Orin Nano 8GB", "R35"): {
        "timestamp": "2024-01-24T09:17:09",
        **ram(3503, 7337, 7, 1),
        **swap(430, 3668, 1),
        "cpu": cores("11@729 13@729 9@729 18@729 off off"),
        **emc(0, 2133),
        **gpu(0, 305),
        "engines": engines(GR3D2=(0, 0), VIC=(None, 115)),
        "ape_mhz": 174,
        "temps_c": {
            "CV0": 42.718,
            "CPU": 44.093,
            "SOC2": 42.625,
            "SOC0": 43.281,
            "CV1": 42.25,
            "GPU": 41.343,
            "tj": 46.968,
            "SOC1": 46.968,
            "CV2": 42.875,
        },
        "rails_mw": rails(VDD_IN=(4915, 4915), VDD_CPU_GPU_CV=(449, 449), VDD_SOC=(1431, 1431)),
    },
    ("Orin Nano 8GB", "R36"): {
        "timestamp": "2026-10-08T04:35:02",
        **ram(6712, 7620, 12, 4),
        **swap(369, 3810, 8),
        "cpu": cores("38@1497 2@729 1@729 729 1@729 729"),
        **emc(61, 2133),
        **gpu(99, 612),
        "engines": engines(NVDEC=None, NVJPG=None, VIC=None, OFA=None),
        "ape_mhz": 200,
        "temps_c": {
            "cpu": 57.125,
            "soc2": 55.093,
            "soc0": 56.625,
            "gpu": 58.625,
            "tj": 58.312,
            "soc1": 55.937,
        },
        "rails_mw": rails(VDD_IN=(16321, 11204), VDD_CPU_GPU_CV=(7104, 4944), VDD_SOC=(3120, 3659)),
    },
    ("Orin Nano 8GB", "R36 (non-root)"): {
        "timestamp": "2025-06-18T11:25:24",
        **ram(3452, 7620, 25, 4),
        **swap(1518, 16384, 174),
        "cpu": cores("1@1420 2@1420 1420 2@1420 2@729 1@729"),
        **gpu(0),
        "temps_c": {
            "cpu": 50.031,
            "soc2": 49.031,
            "soc0": 50.0,
            "gpu": 49.031,
            "tj": 50.25,
            "soc1": 50.25,
        },
        "rails_mw": rails(VDD_IN=(4824, 4824), VDD_CPU_GPU_CV=(518, 518), VDD_SOC=(1475, 1475)),
    },
    ("AGX Orin 32GB", "R34-R35.1"): {
        "timestamp": "2023-10-16T10:59:22",
        **ram(1205, 30623, 6429, 4),
        **swap(0, 15311, 0),
        "cpu": cores("729 729 1@729 729 729 730 730 729 729 729 729 729"),
        **emc(0, 204),
        **gpu(0, 114),
        "engines": engines(GR3D2=(0, 114), NVJPG1=(None, 729), VIC=(None, 729)),
        "ape_mhz": 233,
        "temps_c": {
            "CPU": 43.5,
            "Tdiode": 32.5,
            "SOC2": 40.062,
            "SOC0": 40.5,
            "GPU": 38.156,
            "SOC1": 39.125,
        },
        "rails_mw": rails(
            VDD_GPU_SOC=(4788, 4788),
            VDD_CPU_CV=(798, 798),
            VIN_SYS_5V0=(3842, 3842),
            VDDQ_VDD2_1V8AO=(707, 707),
        ),
    },
    ("AGX Orin 32GB", "R36"): {
        "timestamp": "2024-11-14T22:54:33",
        "ram_used_mb": 4300,
        "ram_total_mb": 30698,
        **gpu(45),
        "rails_mw": rails(VDD_GPU_SOC=(2171, None)),
    },
    ("AGX Orin 64GB", "R35"): {
        "timestamp": "2025-04-11T10:36:27",
        **ram(4321, 62801, 1759, 4),
        **swap(19, 31400, 0),
        "cpu": cores("729 729 729 729 729 729 729 729 729 729 729 729"),
        **emc(0, 2133),
        **gpu(0, 0, 0),
        "engines": engines(VIC=(None, 729)),
        "ape_mhz": 174,
        "temps_c": {
            "CPU": 44.562,
            "Tboard": 32.0,
            "SOC2": 40.093,
            "Tdiode": 33.0,
            "SOC0": 41.093,
            "tj": 44.343,
            "SOC1": 41.25,
        },
        "rails_mw": rails(
            VDD_GPU_SOC=(2340, 2340),
            VDD_CPU_CV=(390, 390),
            VIN_SYS_5V0=(4025, 4025),
            VDDQ_VDD2_1V8AO=(301, 301),
        ),
    },
    ("AGX Orin 64GB", "R36.4.4"): {
        "timestamp": "2026-05-09T18:42:06",
        **ram(18207, 62841, 466, 4),
        **swap(86, 31420, 0),
        "cpu": cores(
            "14@2188 5@2112 8@2035 14@2201 46@1267 47@1267 2@1267 10@1267 4@1036 5@1036 6@1036 10@1036"
        ),
        **emc(3, 2133),
        **gpu(0, 0, 0),
        "engines": engines(
            NVENC=(79, 166),
            NVDEC=None,
            NVJPG=None,
            NVJPG1=None,
            VIC=(36, 115),
            OFA=None,
            NVDLA0=None,
            NVDLA1=None,
            PVA0=None,
        ),
        "ape_mhz": 174,
        "temps_c": {"cpu": 52.562, "soc2": 48.437, "soc0": 49.093, "tj": 52.562, "soc1": 49.656},
        "rails_mw": rails(VDD_GPU_SOC=(2412, 2412), VDD_CPU_CV=(1607, 1607), VIN_SYS_5V0=(4707, 4707)),
    },
    ("AGX Orin 64GB", "R36 (non-root)"): {
        **ram(2448, 62840, 2, 4),
        **swap(0, 31420, 0),
        "cpu": cores("2201 2201 2201 2201 2201 2201 2201 2201 2201 2201 2201 2201"),
        **gpu(0),
        "temps_c": {
            "cpu": 42.0,
            "soc2": 37.843,
            "soc0": 39.187,
            "gpu": 37.75,
            "tj": 42.0,
            "soc1": 37.937,
        },
        "rails_mw": rails(VDD_GPU_SOC=(4940, 4940), VDD_CPU_CV=(988, 988), VIN_SYS_5V0=(4442, 4442)),
    },
    ("AGX Orin DK", "R39.2"): {
        "timestamp": "2026-07-25T09:08:28",
        **ram(20642, 62817, 1, 2),
        "cpu": cores(
            "23@2201 10@2201 4@2201 14@2201 30@2201 18@2201 10@2201 10@2201 33@2201 7@2201 5@2201 27@2201"
        ),
        **emc(3, 3199),
        **gpu(12, 1300, 1300),
        "engines": engines(
            NVENC0=None,
            NVDEC0=None,
            NVJPG0=None,
            NVJPG1=None,
            VIC=None,
            OFA=None,
            NVDLA0=None,
            NVDLA1=None,
            PVA0=None,
        ),
        "ape_mhz": 174,
        "temps_c": {"cpu": 52.968, "soc2": 48.406, "soc0": 49.531, "gpu": 47.625},
        "temps_max_c": {"cpu": 52.968, "soc2": 48.406, "soc0": 49.531, "gpu": 47.625},
        "rails_mw": rails(
            VDD_GPU_SOC=(5139, 5139, 5139), VDD_CPU_CV=(3268, 3268, 3268), VIN_SYS_5V0=(5500, 5500, 5500)
        ),
    },
    ("AGX Orin", "R36"): {
        **ram(4722, 7844, 1, 0.5),
        **emc(2, 1866),
        **gpu(10, 1300),
        "ape_mhz": 150,
    },
    ("AGX Thor", "R38.4.0"): {
        "timestamp": "2026-05-17T10:00:33",
        **ram(4280, 125773, 29, 4),
        **swap(0, 2048, 0),
        "cpu": cores("972 972 972 972 1@972 972 1@972 972 2601 17@2601 1@972 9@972 972 1@972"),
        **emc(0, 665),
        **gpu(None, 0, 0, 0),
        "engines": engines(
            NVENC0=(None, 0),
            NVENC1=(None, 0),
            NVDEC0=(None, 0),
            NVDEC1=(None, 0),
            NVJPG0=(None, 0),
            VIC=None,
            OFA=(None, 0),
            PVA0=None,
        ),
        "ape_mhz": 300,
        "temps_c": {"cpu": 35.25, "tj": 36.031, "soc012": 36.062, "soc345": 34.5},
        "rails_mw": rails(VDD_GPU=(0, 0), VDD_CPU_SOC_MSS=(4923, 4544), VIN_SYS_5V0=(4327, 4227)),
    },
    ("AGX Thor", "R39.2.0"): {
        "timestamp": "2026-07-23T15:29:26",
        **ram(9101, 125811, 19, 4),
        **swap(0, 2048, 0),
        "cpu": cores(
            "39@2160 20@2160 16@1944 15@1944 17@972 15@972 19@2214 22@2214 13@2430 20@2430 26@972 19@972 "
            "15@1836 22@1836"
        ),
        **emc(7, 3200),
        **gpu(None, 314, 314, 314),
        "engines": engines(
            NVENC0=(None, 1556),
            NVENC1=(None, 1556),
            NVDEC0=(None, 1556),
            NVDEC1=(None, 1556),
            NVJPG0=(None, 1556),
            VIC=(59, 423),
            OFA=(None, 1556),
            PVA0=None,
        ),
        "ape_mhz": 300,
        "temps_c": {"cpu": 34.843, "tj": 35.906, "soc012": 34.437, "gpu": 35.906, "soc345": 34.406},
        "temps_max_c": {"cpu": 34.843, "tj": 35.906, "soc012": 34.437, "gpu": 35.906, "soc345": 34.406},
        "rails_mw": rails(
            VDD_GPU=(4925, 4925, 4925), VDD_CPU_SOC_MSS=(8710, 8710, 8710), VIN_SYS_5V0=(6767, 6767, 6767)
        ),
    },
}
