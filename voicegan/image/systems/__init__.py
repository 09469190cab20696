"""The image family, one short file for each system. Importing this imports no torch."""

from __future__ import annotations

from ...core.registry import Registry

SYSTEMS = Registry(
    "image system",
    {
        "gan": (
            "voicegan.image.systems.gan:GAN",
            "Goodfellow et al. 2014: fully connected; minimax or non-saturating",
        ),
        "dcgan": (
            "voicegan.image.systems.dcgan:DCGAN",
            "Radford et al. 2015: strided convolutions, batch norm",
        ),
        "lsgan": ("voicegan.image.systems.lsgan:LSGAN", "Mao et al. 2017: least squares"),
        "wgan": ("voicegan.image.systems.wgan:WGAN", "Arjovsky et al. 2017: a critic with clipped weights"),
        "wgan-gp": (
            "voicegan.image.systems.wgan_gp:WGANGP",
            "Gulrajani et al. 2017: a critic with a penalty on its gradient",
        ),
        "dragan": (
            "voicegan.image.systems.dragan:DRAGAN",
            "Kodali et al. 2017: a penalty on the gradient around real data",
        ),
        "sngan": ("voicegan.image.systems.sngan:SNGAN", "Miyato et al. 2018: spectral norm, hinge loss"),
        "unrolled": (
            "voicegan.image.systems.unrolled:Unrolled",
            "Metz et al. 2016: a generator that looks some steps ahead",
        ),
        "bgan": (
            "voicegan.image.systems.bgan:BGAN",
            "Hjelm et al. 2017: boundary seeking; black and white pixels",
        ),
        "cgan": (
            "voicegan.image.systems.cgan:CGAN",
            "Mirza & Osindero 2014: both players are told the class",
        ),
        "acgan": (
            "voicegan.image.systems.acgan:ACGAN",
            "Odena et al. 2017: the discriminator tells the class",
        ),
        "infogan": (
            "voicegan.image.systems.infogan:InfoGAN",
            "Chen et al. 2016: codes that are found without labels",
        ),
        "catgan": (
            "voicegan.image.systems.catgan:CatGAN",
            "Springenberg 2015: sure categories for real samples; few or no labels",
        ),
        "sgan": (
            "voicegan.image.systems.sgan:SGAN",
            "Salimans et al. 2016, Odena 2016: a classifier from few labels, feature matching",
        ),
        "ccgan": (
            "voicegan.image.systems.ccgan:CCGAN",
            "Denton et al. 2016: fills holes, and tells classes from few labels",
        ),
        "dae": (
            "voicegan.image.systems.dae:DAE",
            "Hinton & Salakhutdinov 2006, Vincent et al. 2008: deep and denoising autoencoder",
        ),
        "vae": ("voicegan.image.systems.vae:VAE", "Kingma & Welling 2013: a bound of the likelihood"),
        "aae": (
            "voicegan.image.systems.aae:AAE",
            "Makhzani et al. 2015: an autoencoder whose codes are fooled into a prior",
        ),
        "aae-few-labels": (
            "voicegan.image.systems.aae_few_labels:FewLabelsAAE",
            "Makhzani et al. 2015: class and style apart, with few labels",
        ),
        "bigan": (
            "voicegan.image.systems.bigan:BiGAN",
            "Donahue et al. 2016: a generator and its inverse, judged in pairs",
        ),
        "cogan": (
            "voicegan.image.systems.cogan:CoGAN",
            "Liu & Tuzel 2016: pairs from two domains, learnt without a pair",
        ),
        "cyclegan": (
            "voicegan.image.systems.cyclegan:CycleGAN",
            "Zhu et al. 2017: two domains, no pairs, by cycle consistency",
        ),
        "dualgan": (
            "voicegan.image.systems.dualgan:DualGAN",
            "Yi et al. 2017: two domains, no pairs, told by Wasserstein critics",
        ),
        "pix2pix": (
            "voicegan.image.systems.pix2pix:Pix2Pix",
            "Isola et al. 2016: pictures from pictures, learnt from pairs",
        ),
        "context-encoder": (
            "voicegan.image.systems.context_encoder:ContextEncoder",
            "Pathak et al. 2016: fills holes from what is around them",
        ),
    },
)
