"""Which options the trtexec of a version knows: what --help lists (8.0, 8.4, 10.3), what is said of 11.

One that a version takes without listing it is refused here.
"""

VERSIONS = {"8.2": "v8201", "8.6": "v8601", "10.3": "v100300", "10.16": "v101601", "11.4": "v110400"}

IN_8_2 = """
    --onnx --uff --model --deploy --output --uffInput --uffNHWC --maxBatch --batch --explicitBatch --minShapes
    --optShapes --maxShapes --minShapesCalib --optShapesCalib --maxShapesCalib --inputIOFormats
    --outputIOFormats --workspace --profilingVerbosity --nvtxMode --minTiming --avgTiming --refit --sparsity
    --noTF32 --fp16 --int8 --best --directIO --calib --safe --consistency --restricted --saveEngine
    --loadEngine --tacticSources --noBuilderCache --timingCacheFile --buildOnly --shapes --loadInputs
    --iterations --warmUp --duration --sleepTime --idleTime --streams --exposeDMA --noDataTransfers
    --useManagedMemory --useSpinWait --threads --useCudaGraph --timeDeserialize --timeRefit
    --separateProfileRun --verbose --avgRuns --percentile --dumpRefit --dumpOutput --dumpProfile
    --dumpLayerInfo --exportTimes --exportOutput --exportProfile --exportLayerInfo --device --useDLACore
    --allowGPUFallback --plugins
"""
SINCE_8_6 = """
    --memPoolSize --precisionConstraints --layerPrecisions --layerOutputTypes --layerDeviceTypes --fp8
    --heuristic --preview --builderOptimizationLevel --skipInference --hardwareCompatibilityLevel
    --versionCompatible --vc --excludeLeanRuntime --useRuntime --leanDLLPath --maxAuxStreams --infStreams
    --persistentCacheRatio --tempdir --tempfileControls --dynamicPlugins --staticPlugins
    --setPluginsToSerialize --ignoreParsedPluginLibs
"""
SINCE_10 = """
    --bf16 --int4 --stronglyTyped --stripWeights --noCompilationCache --allowWeightStreaming
    --weightStreamingBudget --markDebug --saveDebugTensors --getPlanVersionOnly --profile --useProfile
    --calibProfile --allocationStrategy --buildDLAStandalone --errorOnTimingCacheMiss --maxTactics
    --runtimePlatform --dumpRawBindingsToFile --dumpOptimizationProfile
"""
NOT_IN_10 = """
    --uff --uffInput --uffNHWC --deploy --model --output --nvtxMode --batch --maxBatch --explicitBatch
    --minTiming --heuristic --workspace --buildOnly --streams --plugins --consistency
"""
SINCE_11 = "--includeDataTransfers --noSpinWait --noCudaGraph"
NOT_IN_11 = """
    --fp16 --int8 --best --fp8 --bf16 --int4 --calib --precisionConstraints --layerPrecisions
    --layerOutputTypes --stronglyTyped --minShapesCalib --optShapesCalib --maxShapesCalib
"""


def known_options(version):
    """The set of options of a version."""
    known = set(IN_8_2.split())
    if version != "8.2":
        known |= set(SINCE_8_6.split())
    if version in ("10.3", "10.16", "11.4"):
        known = (known | set(SINCE_10.split())) - set(NOT_IN_10.split())
    if version == "11.4":
        known = (known | set(SINCE_11.split())) - set(NOT_IN_11.split())
    return known
