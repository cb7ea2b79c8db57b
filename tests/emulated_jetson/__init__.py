"""A Jetson that is none, of real parts where there are any.

board.board        the whole: a root, programs, libraries and the environment for processes on it
roots, sysfs       what stands in its /proc, /sys and /etc
python             `tensorrt` of 8.2, 8.6, 10.3, 10.16 or 11.4 (EMULATED_TENSORRT) over ONNX Runtime
python_pycuda      `pycuda` on host memory
libcudart.c        libcudart on host memory, compiled when a board is made
programs           trtexec, tegrastats, nvpmodel, jetson_clocks

Each says that it is emulated: `tensorrt.EMULATED`, `pycuda.EMULATED`, `pycuda.driver.EMULATED`, the symbol
`edgeshrink_emulated` of libcudart, EDGESHRINK_SYSROOT for the files and the programs below it. Faults are
asked for by variables EMULATED_...: see python/emulated_tensorrt/faults.py, python_pycuda/pycuda/driver.py,
libcudart.c and programs/tegrastats.py.
"""
