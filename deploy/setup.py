"""Lets the pip of a stock JetPack 4 install the device package alone; setup.cfg says what it is."""

from setuptools import setup

setup()
